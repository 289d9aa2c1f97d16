"""Replies come out in whole sentences, looked at first, both sides in step."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mi_arena.battles.release import LONGEST, Release, pieces
from mi_arena.engine.protocol import ARMS, Arm
from mi_arena.safety.patterns import Finding

BAD = "有害"
TEXT = st.text("你我很累。！？，有害 .a\n", max_size=120)


def check(text: str) -> list[Finding]:
    return [Finding("model_encourages_harm", "bad")] if BAD in text else []


def texts(base: str, tuned: str) -> dict[Arm, str]:
    return {"base": base, "tuned": tuned}


def going(base: bool = False, tuned: bool = False) -> dict[Arm, bool]:
    return {"base": base, "tuned": tuned}


def shown(release: Release, of: dict[Arm, str]) -> dict[Arm, str]:
    return {arm: of[arm][: release.shown[arm]] for arm in ARMS}


def test_a_sentence_waits_for_the_other_sides() -> None:
    release = Release(check)
    now = texts("你很累。想谈", "你")
    release.take(now, going())
    assert shown(release, now) == texts("", "")
    now = texts("你很累。想谈什么？再", "你辛苦了。")
    release.take(now, going())
    assert shown(release, now) == texts("你很累。", "你辛苦了。")
    release.take(now, going(tuned=True))  # it has said all: the other is not held back any more
    assert shown(release, now) == texts("你很累。想谈什么？", "你辛苦了。")
    assert release.whole == going(tuned=True)
    now = texts("你很累。想谈什么？再会", "你辛苦了。")
    release.take(now, going(True, True))
    assert shown(release, now) == now and release.whole == going(True, True)


def test_what_harms_is_never_shown_and_stops_both() -> None:
    release = Release(check)
    now = texts("你很累。这是有害的话。", "嗯。好。你说呢？")
    release.take(now, going())
    assert release.found is not None and release.found[0] == "base"
    assert shown(release, now) == texts("", "")
    release.take(texts("你很累。这是有害的话。还有。", "嗯。好。你说呢？"), going(True, True))
    assert shown(release, now) == texts("", "") and release.whole == going()


def test_ends_of_sentences() -> None:
    def cut(text: str, ended: bool = False) -> list[str]:
        ends = [0, *pieces(text, ended=ended)]
        return [text[a:b] for a, b in pairwise(ends)]

    assert cut("“好。”他说。那") == ["“好。”", "他说。"]
    assert cut("It is 3.5 now. And more") == ["It is 3.5 now."]
    assert cut("没有完", ended=True) == ["没有完"] and cut("没有完") == []
    assert cut("", ended=True) == []
    long = "一直说下去" * 40
    assert all(len(piece) <= LONGEST for piece in cut(long))


@given(base=TEXT, tuned=TEXT, steps=st.lists(st.integers(0, 120), max_size=8))
def test_however_they_grow(base: str, tuned: str, steps: list[int]) -> None:
    """Nothing that harms comes out; what came out stays; harmless replies come out whole."""
    release, whole = Release(check), texts(base, tuned)
    before = dict(release.shown)
    for number, step in enumerate(sorted(steps)):
        now = texts(base[:step], tuned[: step // (1 + number % 3)])
        release.take(now, {arm: now[arm] == whole[arm] for arm in ARMS})
        assert all(release.shown[arm] >= before[arm] for arm in ARMS)
        before = dict(release.shown)
    release.take(whole, going(True, True))
    for arm in ARMS:
        assert BAD not in whole[arm][: release.shown[arm]]
    if release.found is None:
        assert shown(release, whole) == whole and all(release.whole.values())
    else:
        assert BAD in base + tuned
