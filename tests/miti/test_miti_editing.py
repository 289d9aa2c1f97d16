"""Editing a coding: what each change does, that it can be taken back, and that no text is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.miti.check import violations
from mi_arena.miti.coding import Coding
from mi_arena.miti.editing import (
    LONGEST_GOAL,
    UNDO_STEPS,
    BadChange,
    Merge,
    Misfit,
    SetCode,
    SetCount,
    SetForm,
    SetGlobal,
    SetGoal,
    Sheet,
    Split,
    Undo,
    apply,
    read_change,
)
from mi_arena.miti.items import CODES, GLOBALS
from mi_arena.miti.summary import summarize

VOLLEYS = ["您想少抽一点，又怕睡不着。是什么让您现在想改？", "您已经坚持了三天！很不容易。"]


def sheet() -> Sheet:
    return Sheet.blank(VOLLEYS)


def texts(one: Sheet) -> list[str]:
    return ["".join(utterance.text for utterance in volley) for volley in one.volleys]


def test_a_blank_sheet_is_cut_uncoded_and_in_the_middle() -> None:
    blank = sheet()
    assert [[u.text for u in volley] for volley in blank.volleys] == [
        ["您想少抽一点，又怕睡不着。", "是什么让您现在想改？"],
        ["您已经坚持了三天！", "很不容易。"],
    ]
    assert blank.globals == dict.fromkeys(GLOBALS, 3)
    assert summarize(blank.coding).counts == dict.fromkeys(CODES, 0)


def test_coding_and_uncoding() -> None:
    coded = apply(sheet(), SetCode(volley=0, utterance=1, code="Q"))
    assert summarize(coded.coding).counts["Q"] == 1
    assert coded.volleys[0][1].text == "是什么让您现在想改？"
    bare = apply(coded, SetCode(volley=0, utterance=1, code=None))
    assert bare.volleys == sheet().volleys


def test_a_split_keeps_the_code_with_the_first_part_and_a_merge_joins_again() -> None:
    coded = apply(sheet(), SetCode(volley=0, utterance=0, code="CR"))
    split = apply(coded, Split(volley=0, utterance=0, at=7))
    assert [(u.text, u.code) for u in split.volleys[0]] == [
        ("您想少抽一点，", "CR"),
        ("又怕睡不着。", None),
        ("是什么让您现在想改？", None),
    ]
    assert apply(split, Merge(volley=0, utterance=0)).volleys == coded.volleys


def test_a_merge_takes_the_second_code_where_the_first_has_none() -> None:
    coded = apply(sheet(), SetCode(volley=1, utterance=1, code="AF"))
    merged = apply(coded, Merge(volley=1, utterance=0))
    assert [(u.text, u.code) for u in merged.volleys[1]] == [("您已经坚持了三天！很不容易。", "AF")]


def test_the_goal_is_one_change_however_it_was_typed() -> None:
    typed = sheet()
    for text in ("少", "少抽", "少抽烟"):
        typed = apply(typed, SetGoal(text=text))
    assert typed.change_goal == "少抽烟"
    assert not [v for v in violations(typed.coding) if v.rule == "change_goal_missing"]
    assert apply(typed, Undo()).change_goal == ""


def test_the_quick_form_counts_totals_and_keeps_the_coded_volleys() -> None:
    coded = apply(sheet(), SetCode(volley=0, utterance=1, code="Q"))
    quick = apply(apply(coded, SetForm(form="quick")), SetCount(code="SR", value=4))
    told = summarize(quick.coding)
    assert told.counts["SR"] == 4 and told.counts["Q"] is None
    assert apply(quick, SetForm(form="full")).coding == coded.coding


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (SetCode(volley=2, utterance=0, code="Q"), "no_such_place"),
        (SetCode(volley=0, utterance=2, code="Q"), "no_such_place"),
        (Split(volley=0, utterance=0, at=99), "cut_off"),
        (Merge(volley=0, utterance=1), "last"),
        (Undo(), "nothing_done"),
    ],
)
def test_what_does_not_fit_changes_nothing(change: SetCode, code: Misfit) -> None:
    before = sheet()
    with pytest.raises(BadChange) as refused:
        apply(before, change)
    assert refused.value.code == code
    assert before == sheet()


def test_what_has_no_words_takes_no_code() -> None:
    with pytest.raises(BadChange) as refused:
        apply(Sheet.uncoded([[" \n"]]), SetCode(volley=0, utterance=0, code="Q"))
    assert refused.value.code == "no_words"


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"do": "erase"},
        {"do": "code", "volley": -1, "utterance": 0, "code": "Q"},
        {"do": "code", "volley": 0, "utterance": 0, "code": "MISC"},
        {"do": "global", "key": "CCT", "value": 6},
        {"do": "global", "key": "CCT", "value": True},
        {"do": "count", "code": "Q", "value": -1},
        {"do": "goal", "text": "改" * (LONGEST_GOAL + 1)},
        {"do": "undo", "twice": True},
    ],
)
def test_what_is_no_change_is_refused_without_repeating_it(given: object) -> None:
    with pytest.raises(BadChange) as refused:
        read_change(given)
    assert refused.value.code == "unreadable"
    assert "改改" not in str(refused.value) and "\n" not in str(refused.value)


def test_changes_go_through_json() -> None:
    change = read_change({"do": "split", "volley": 0, "utterance": 0, "at": 7})
    assert change == Split(volley=0, utterance=0, at=7)
    coded = apply(sheet(), change)
    assert Sheet.model_validate_json(coded.model_dump_json()) == coded


def test_old_changes_are_forgotten_and_the_sheet_stays_small() -> None:
    moved = sheet()
    for number in range(UNDO_STEPS + 50):
        moved = apply(moved, SetGlobal(key="CCT", value=number % 5 + 1))
    assert len(moved.undo) == UNDO_STEPS and moved.version == UNDO_STEPS + 50


places = st.integers(0, 3)
changes = st.lists(
    st.one_of(
        st.builds(
            SetCode,
            volley=places,
            utterance=places,
            code=st.one_of(st.none(), st.sampled_from(CODES)),
        ),
        st.builds(Split, volley=places, utterance=places, at=st.integers(1, 30)),
        st.builds(Merge, volley=places, utterance=places),
        st.builds(SetGlobal, key=st.sampled_from(GLOBALS), value=st.integers(1, 5)),
        st.builds(
            SetCount, code=st.sampled_from(CODES), value=st.one_of(st.none(), st.integers(0, 60))
        ),
        st.builds(SetForm, form=st.sampled_from(["full", "quick"])),
        st.builds(SetGoal, text=st.text(max_size=20)),
    ),
    max_size=25,
)


@given(volleys=st.lists(st.text(max_size=60), min_size=1, max_size=4), changes=changes)
def test_no_change_loses_text_and_undoing_all_leads_back(
    volleys: list[str], changes: list[SetCode]
) -> None:
    first = current = Sheet.blank(volleys)
    for change in changes:
        try:
            after = apply(current, change)
        except BadChange:
            continue
        assert after.version == current.version + 1
        current = after
        assert texts(current) == volleys
    while current.undo:
        current = apply(current, Undo())
    assert current.model_copy(update={"version": 0}) == first


def test_a_sheet_cut_already_is_uncoded_and_in_the_middle() -> None:
    cut = [["您想少抽一点，", "又怕睡不着。"], ["您定。"], []]
    made = Sheet.uncoded(cut)
    assert [[utterance.text for utterance in volley] for volley in made.volleys] == cut
    assert {utterance.code for volley in made.volleys for utterance in volley} == {None}
    assert made == Sheet.uncoded(cut)
    assert (made.form, made.version, made.undo) == ("full", 0, ())
    assert made.globals == dict.fromkeys(GLOBALS, 3)
    assert made.counts == dict.fromkeys(CODES)


@given(volleys=st.lists(st.text(max_size=60), min_size=1, max_size=4), changes=changes)
def test_a_sheet_made_again_from_its_coding_says_the_same(
    volleys: list[str], changes: list[SetCode]
) -> None:
    current = Sheet.blank(volleys)
    for change in changes:
        try:
            current = apply(current, change)
        except BadChange:
            continue
    for form in ("full", "quick"):
        filled = apply(current, SetForm(form=form))
        again = Sheet.again(filled.coding, volleys)
        assert again.coding == filled.coding
        assert (again.form, again.version, again.undo) == (form, 0, ())
        assert texts(again) == volleys


def test_a_coding_that_was_filled_in_part_begins_in_the_middle_where_it_says_nothing() -> None:
    coding = Coding(globals={"CCT": 5}, counts={"Q": 2})
    again = Sheet.again(coding, VOLLEYS)
    assert again.change_goal == "" and again.form == "quick"
    assert again.globals == dict.fromkeys(GLOBALS, 3) | {"CCT": 5}
    assert again.counts == dict.fromkeys(CODES) | {"Q": 2}
    assert again.volleys == sheet().volleys
