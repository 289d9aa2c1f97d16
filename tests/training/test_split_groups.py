"""What belongs together, and that no split parts it."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.dialogue import Dialogue
from mi_arena.jobs.script import BadInput
from tests.training.split_dialogues import one, story
from training.split.choosing import Impossible, choose
from training.split.groups import Grouping, group, plain


def ids(grouping: Grouping) -> list[tuple[str, ...]]:
    return [found.members for found in grouping.groups]


LONG = "我最近总是熬夜，第二天上班没有精神，想改又改不了，不知道怎么办才好。"


@pytest.mark.parametrize(
    ("dialogues", "wanted", "joins"),
    [
        ([one("a"), one("b")], [("a",), ("b",)], {}),
        ([one("a", group="q"), one("b", group="q")], [("a", "b")], {"group": 1}),
        ([one("a", group=7), one("b", group="7")], [("a", "b")], {"group": 1}),
        # A rewriting meets its source, and other rewritings of it where the source is not there.
        ([one("x"), one("mi-x", source_id="x")], [("mi-x", "x")], {"source_id": 1}),
        (
            [one("m1", source_id="x"), one("m2", provenance={"source_id": "x"})],
            [("m1", "m2")],
            {"source_id": 1},
        ),
        # Along a chain: the source's group holds its rewriting too.
        (
            [one("m", source_id="x"), one("x", group="q"), one("y", group="q")],
            [("m", "x", "y")],
            {"source_id": 1, "group": 1},
        ),
        # What the sources belonged to, carried along by their rewritings.
        (
            [one("m1", source_group=["group:q", "source_id:z"]), one("m2", group="q"), one("z")],
            [("m1", "m2", "z")],
            {"source_id": 1, "group": 1},
        ),
        # A group and an id of the same name are not the same thing.
        ([one("5"), one("a", group="5")], [("5",), ("a",)], {}),
    ],
)
def test_tables(
    dialogues: list[Dialogue], wanted: list[tuple[str, ...]], joins: dict[str, int]
) -> None:
    found = group(dialogues)
    assert ids(found) == wanted
    assert found.joins == Counter(joins)
    assert ids(group(dialogues[::-1])) == wanted


def said(name: str, *texts: str) -> Dialogue:
    roles = ("client", "counselor")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    return Dialogue.model_validate({"id": name, "source": "s", "messages": messages})


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (("嗯", "你 好。"), ("嗯", "你好。"), "exact"),
        (("Ａ", "ok"), ("a", "OK"), "exact"),
        ((LONG, "听起来很累。"), (LONG, "你想从哪里说起？"), "opening"),
        (("你好", "请说。"), ("你好", "您好，请坐。"), None),
        (("嗯", "好"), ("嗯好", ""), None),
    ],
)
def test_equal_words(first: tuple[str, ...], second: tuple[str, ...], kind: str | None) -> None:
    found = group([said("a", *first), said("b", *second)])
    assert found.joins == (Counter({kind: 1}) if kind else Counter())


def test_near_duplicates_join_too_and_over_dialogues_that_are_only_compared_with() -> None:
    dialogues = [one("a"), one("b"), one("c")]
    assert ids(group(dialogues, [[0, 2]])) == [("a", "c"), ("b",)]
    assert ids(group(dialogues, [[0, 7], [1, 7]])) == [("a", "b"), ("c",)]


@pytest.mark.parametrize("value", [["q"], {"q": 1}, True, 1.5])
def test_a_group_that_is_no_name_is_refused(value: Any) -> None:
    with pytest.raises(BadInput, match=r"a: meta\.group must be"):
        group([one("a", group=value)])


def test_the_stratum_is_that_of_most_members() -> None:
    found = group(
        [
            one("a", group="q", topic="sleep"),
            one("b", group="q", topic="smoking"),
            one("c", group="q", topic="smoking"),
        ]
    )
    assert found.groups[0].stratum == ("mi_zh", "smoking")


def test_plain() -> None:
    assert plain(" Ｐ m\n2.5 ，好") == "pm2.5,好"


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 60), st.integers(0, 10**6), st.integers(1, 30))
def test_no_question_straddles(number: int, seed: int, questions: int) -> None:
    chance = random.Random(seed)
    dialogues = []
    for index in range(number):
        meta: dict[str, Any] = {}
        if chance.random() < 0.5:
            meta["group"] = f"q{chance.randrange(questions)}"
        if chance.random() < 0.3:
            meta["source_id"] = f"d{chance.randrange(number)}"
        text = story(chance.randrange(number)) if chance.random() < 0.3 else None
        dialogues.append(one(f"d{index}", text, **meta))
    groups = group(dialogues).groups
    assert sorted(m for g in groups for m in g.members) == sorted(d.id for d in dialogues)
    try:
        chosen = choose(groups, {"train": number // 2, "test": number // 6}, seed)
    except Impossible:
        return
    side = {m: name for name, found in chosen.items() for g in found for m in g.members}
    by_id = {d.id: d for d in dialogues}
    for one_id, one_side in side.items():
        for other_id, other_side in side.items():
            if one_side != other_side:
                left, right = by_id[one_id].meta, by_id[other_id].meta
                assert left.get("group") is None or left["group"] != right.get("group")
                assert left.get("source_id") != other_id
                assert left.get("source_id") is None or left["source_id"] != right.get("source_id")
                assert by_id[one_id].messages != by_id[other_id].messages
