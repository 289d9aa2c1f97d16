"""Aligning codings: what segments come out, and that nothing but the same text is aligned."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.miti.alignment import AlignedVolley, NotAligned, Segment, align, globals_apart
from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.items import CODES, GLOBALS, Code

Cut = list[tuple[str, Code | None]]


def coding(*volleys: Cut) -> Coding:
    return Coding(
        volleys=tuple(
            Volley(utterances=tuple(Utterance(text=text, code=code) for text, code in one))
            for one in volleys
        )
    )


def test_segments_lie_between_the_cuts_of_all() -> None:
    one = coding([("您想少抽，", "SR"), ("又怕睡不着。", "CR"), ("怎么办？", "Q")])
    other = coding([("您想少抽，又怕睡不着。", "CR"), ("怎么", None), ("办？", "Q")])
    third = coding([("您想少抽，又怕睡不着。怎么办？", "CR")])
    assert align([one, other, third]) == (
        AlignedVolley(
            (
                Segment("您想少抽，", ("SR", "CR", "CR"), (True, True, True)),
                Segment("又怕睡不着。", ("CR", "CR", "CR"), (True, False, False)),
                Segment("怎么", ("Q", None, "CR"), (True, True, False)),
                Segment("办？", ("Q", "Q", "CR"), (False, True, False)),
            )
        ),
    )
    assert [one.agree for one in align([one, other, third])[0].segments] == [
        False,
        True,
        False,
        False,
    ]


def test_to_have_no_code_is_to_agree_and_one_coding_agrees_with_itself() -> None:
    bare, coded = coding([("嗯。", None)]), coding([("嗯。", "SR")])
    assert align([bare, bare])[0].segments[0].agree
    assert not align([bare, coded])[0].segments[0].agree
    assert align([coded])[0].segments == (Segment("嗯。", ("SR",), (True,)),)


def test_empty_volleys_have_no_segments() -> None:
    assert align([coding([], [("嗯。", None)]), coding([("", None)], [("嗯。", None)])]) == (
        AlignedVolley(()),
        AlignedVolley((Segment("嗯。", (None, None), (True, True)),)),
    )


SECRET = "不要说出来"
FIRST = coding([("好。", None)], [(SECRET + "。", "SR")])


@pytest.mark.parametrize(
    ("codings", "told"),
    [
        ([], "there is no coding to align"),
        (
            [FIRST, Coding(counts={"Q": 3})],
            "coding 2 has totals only: there are no utterances to align",
        ),
        ([Coding(), FIRST], "coding 1 has no volleys: there are no utterances to align"),
        (
            [FIRST, coding([("好。", None)])],
            "coding 2 has another number of volleys than coding 1: 1, not 2",
        ),
        (
            [FIRST, FIRST, coding([("好。", None)], [(SECRET + "!", "SR")])],
            "volley 2: coding 3 has another text than coding 1",
        ),
        # The same characters, but not in the same volley.
        (
            [FIRST, coding([("好。" + SECRET, None)], [("。", "SR")])],
            "volley 1: coding 2 has another text than coding 1",
        ),
        # A full-width mark is another character than a half-width one.
        (
            [coding([("走,", None)]), coding([("走，", None)])],
            "volley 1: coding 2 has another text than coding 1",
        ),
        (
            [FIRST, coding([("好。", None), ("", "Q")], [(SECRET + "。", "SR")])],
            "volley 1: utterance 2 of coding 2 has a code and no text",
        ),
    ],
)
def test_what_is_not_the_same_text_is_refused_in_one_line(codings: list[Coding], told: str) -> None:
    with pytest.raises(NotAligned) as refused:
        align(codings)
    assert str(refused.value) == told and SECRET not in told


codes = st.one_of(st.none(), st.sampled_from(CODES))


@st.composite
def cut_differently(draw: st.DrawFn) -> tuple[list[str], list[Coding]]:
    """Volleys, and one to four codings that cut them as they like."""
    texts = draw(st.lists(st.text("好吗。，a ", max_size=12), min_size=1, max_size=4))
    every = []
    for _ in range(draw(st.integers(1, 4))):
        volleys: list[Cut] = []
        for text in texts:
            places = draw(st.sets(st.integers(1, max(1, len(text) - 1))))
            ends = sorted({0, len(text)} | {place for place in places if place < len(text)})
            volleys.append([(text[start:end], draw(codes)) for start, end in pairwise(ends)])
        every.append(coding(*volleys))
    return texts, every


@given(cut_differently())
def test_every_character_keeps_the_code_that_each_coding_gave_it(
    drawn: tuple[list[str], list[Coding]],
) -> None:
    texts, every = drawn
    aligned = align(every)
    assert ["".join(one.text for one in volley.segments) for volley in aligned] == texts
    for place, volley in enumerate(aligned):
        for number, one in enumerate(every):
            utterances = (one.volleys or ())[place].utterances
            by_character = [code.code for code in utterances for _ in code.text]
            assert by_character == [
                segment.codes[number] for segment in volley.segments for _ in segment.text
            ]
            # Joined at its own cuts, the coding is there again.
            assert [(part.text, part.code) for part in utterances] == own_utterances(volley, number)
        for segment in volley.segments:
            assert segment.text and any(segment.cut)
            assert len(segment.codes) == len(segment.cut) == len(every)
            assert segment.agree == all(code == segment.codes[0] for code in segment.codes)


def own_utterances(volley: AlignedVolley, number: int) -> Cut:
    found: Cut = []
    for segment in volley.segments:
        if segment.cut[number]:
            found.append((segment.text, segment.codes[number]))
        else:
            text, code = found[-1]
            found[-1] = (text + segment.text, code)
    return found


@given(cut_differently())
def test_the_order_of_codings_changes_only_the_order_of_entries(
    drawn: tuple[list[str], list[Coding]],
) -> None:
    _, every = drawn
    turned = [
        AlignedVolley(
            tuple(Segment(one.text, one.codes[::-1], one.cut[::-1]) for one in volley.segments)
        )
        for volley in align(every)
    ]
    assert align(every[::-1]) == tuple(turned)


@pytest.mark.parametrize(
    ("ratings", "values", "spread"),
    [
        ([4, 2, 5], (4, 2, 5), 3),
        ([3, 3], (3, 3), 0),
        ([3, None], (3, None), None),
        ([None, 4, 2], (None, 4, 2), 2),
        ([4.0, 6, 3.5], (4, None, None), None),
        ([], (), None),
    ],
)
def test_globals_stand_side_by_side(
    ratings: list[float | None], values: tuple[int | None, ...], spread: int | None
) -> None:
    codings = [Coding(globals={} if value is None else {"SST": value}) for value in ratings]
    apart = {one.key: one for one in globals_apart(codings)}
    assert tuple(apart) == GLOBALS
    assert (apart["SST"].values, apart["SST"].spread) == (values, spread)
    assert apart["CCT"].values == (None,) * len(ratings) and apart["CCT"].spread is None
