"""Nearly the same texts: found by what they have in common, and grouped."""

from __future__ import annotations

import random

import pytest

from training.corpora.near_duplicates import NearDuplicates, near_duplicate_groups, stretches


def story(seed: int, length: int = 400) -> str:
    chance = random.Random(seed)
    return "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(length))


def changed(text: str, places: int, seed: int) -> str:
    """``places`` characters are others; each touches five stretches."""
    letters = list(text)
    for place in random.Random(seed).sample(range(len(text)), places):
        letters[place] = "改"
    return "".join(letters)


def share(first: str, second: str) -> float:
    a, b = set(stretches(first).tolist()), set(stretches(second).tolist())
    return len(a & b) / len(a | b)


def test_groups_hang_together_and_keep_their_order() -> None:
    a, b = story(1), story(2)
    chain = changed(changed(a, 6, 1), 6, 2)
    texts = [("x", story(3)), ("b", b), ("a", a), ("chain", chain), ("b2", b + "。"),
             ("a2", changed(a, 6, 1)), ("empty", "…"), ("empty2", "！"), ("", "")]  # fmt: skip
    assert near_duplicate_groups(texts) == [["b", "b2"], ["a", "chain", "a2"]]
    assert near_duplicate_groups([]) == []
    assert near_duplicate_groups([("s", "好"), ("t", "好。"), ("u", "不")]) == [["s", "t"]]


@pytest.mark.parametrize(("places", "near"), [(0, True), (3, True), (25, False), (200, False)])
def test_the_threshold(places: int, near: bool) -> None:
    text = story(7)
    other = changed(text, places, 5)
    assert (share(text, other) > 0.8) is near
    assert bool(near_duplicate_groups([("1", text), ("2", other)], 0.8)) is near


def test_stretches_are_a_set_of_their_own() -> None:
    assert set(stretches("我今天很累。")) == set(stretches("我今 天很累"))
    assert len(stretches("我")) == 1 and len(stretches("！")) == 0
    # Hashes are spread: as many as there are stretches.
    assert len(stretches(story(9, 3000))) == 2996


def test_a_threshold_that_is_none() -> None:
    for threshold in (0, 1.5):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            NearDuplicates(threshold)
