"""Codings side by side, and the final one: prefilled with what all said, kept apart from them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Refused
from mi_arena.miti.coding import parse_coding
from mi_arena.miti.items import GLOBALS
from mi_arena.records.workspace_events import CodingSubmitted
from mi_arena.workspace.adjudication import Case, differing_globals
from mi_arena.workspace.desk import Job
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    BO,
    CHIEF,
    CLEAN,
    EPOCH,
    VISITOR,
    append_battle,
    assign,
    change,
    code_dialogue,
    hand_in,
    import_alone,
    tell,
    train,
    withdrawn,
)

CY = Identity("rater-of-cy", "expert", "cy")
DEPUTY = Identity("rater-of-a-deputy", "admin", "deputy")
OTHER = {(0, 0): "CR", (0, 1): "Q", (1, 0): "CR"}
"""Differs from ``CLEAN`` on the first and on the last utterance."""


@pytest.fixture(autouse=True)
def trained(workspace: Workspace) -> None:
    train(workspace.store, ANN, BO, CY)


def coded(workspace: Workspace, name: str, *codes: dict[tuple[int, int], str]) -> str:
    """A dialogue that ANN, then BO, then CY coded so; its id."""
    (dialogue,) = import_alone(workspace, name)
    for who, one in zip((ANN, BO, CY), codes, strict=False):
        code_dialogue(workspace, who, dialogue, one)
    return dialogue


def refused_with(workspace: Workspace, dialogue: str) -> set[str]:
    """Why this dialogue can't be compared, and why it gets no final coding."""
    codes = set()
    for call in (
        lambda: workspace.adjudication.compare(dialogue),
        lambda: workspace.adjudication.job(CHIEF, dialogue),
    ):
        with pytest.raises(Refused) as caught:
            call()
        codes.add(caught.value.code)
    return codes


def codes_of(job: Job) -> list[list[tuple[str, str | None]]]:
    assert job.begin is not None
    return [[(one.text, one.code) for one in volley] for volley in job.begin.volleys]


# --- which, and what they say


def test_only_dialogues_that_two_experts_coded_are_cases(workspace: Workspace) -> None:
    nobody, one = coded(workspace, "nobody"), coded(workspace, "one", CLEAN)
    two, three = (
        coded(workspace, "two", CLEAN, OTHER),
        coded(workspace, "three", CLEAN, CLEAN, CLEAN),
    )
    assert workspace.adjudication.cases() == [
        Case(two, coders=2, differing=2, final=False),
        Case(three, coders=3, differing=0, final=False),
    ]
    for dialogue in (nobody, one, "unknown"):
        assert refused_with(workspace, dialogue) == {"no_work"}


def test_a_coding_by_the_battles_own_rater_is_not_an_experts(workspace: Workspace) -> None:
    append_battle(workspace.store)
    workspace.material.draw_battles()
    dialogue = next(iter(workspace.ledger.now().dialogues))
    hand_in(workspace, workspace.own.job(VISITOR, "token-1", "A"))
    code_dialogue(workspace, ANN, dialogue, CLEAN)
    assert refused_with(workspace, dialogue) == {"no_work"}
    code_dialogue(workspace, BO, dialogue, CLEAN)
    assert [case.coders for case in workspace.adjudication.cases()] == [2]
    assert workspace.adjudication.job(CHIEF, dialogue).epoch == EPOCH


def test_the_most_disputed_come_first_and_the_settled_last(workspace: Workspace) -> None:
    settled = coded(workspace, "settled", CLEAN, {})
    alike, apart = coded(workspace, "alike", CLEAN, CLEAN), coded(workspace, "apart", CLEAN, OTHER)
    hand_in(workspace, workspace.adjudication.job(CHIEF, settled), reason="已讨论")
    cases = workspace.adjudication.cases()
    assert [(case.dialogue, case.differing, case.final) for case in cases] == [
        (apart, 2, False), (alike, 0, False), (settled, 4, True)
    ]  # fmt: skip


def test_codings_stand_side_by_side_in_the_order_of_handing_in(workspace: Workspace) -> None:
    (dialogue,) = import_alone(workspace, "one")
    jobs = [code_dialogue(workspace, who, dialogue, {}) for who in (BO, CY, ANN)]
    change(workspace, jobs[0], do="code", volley=0, utterance=0, code="CR")
    hand_in(workspace, jobs[0])  # corrected: the latest counts, BO stays the first
    change(workspace, jobs[2], do="merge", volley=0, utterance=0)
    hand_in(workspace, jobs[2])
    compared = workspace.adjudication.compare(dialogue)
    assert compared.codings == tuple(workspace.desks.handed(job)[-1] for job in jobs)
    assert compared.messages == jobs[0].messages and compared.reason is None
    assert compared.volleys is not None
    told = [(one.text, one.codes, one.cut) for one in compared.volleys[0].segments]
    assert told == [
        ("one，您想少抽一点。", ("CR", None, None), (True, True, True)),
        ("是什么让您想改？", (None, None, None), (True, True, False)),
    ]
    (case,) = workspace.adjudication.cases()
    assert (case.coders, case.differing) == (3, 1)


def test_totals_cannot_be_put_beside_utterances(workspace: Workspace) -> None:
    dialogue = coded(workspace, "one", CLEAN)
    job = workspace.assignments.job(BO, assign(workspace.store, BO, dialogue))
    change(workspace, job, do="form", form="quick")
    hand_in(workspace, job)
    (case,) = workspace.adjudication.cases()
    assert (case.coders, case.differing) == (2, None)
    assert workspace.adjudication.compare(dialogue).volleys is None
    final = workspace.adjudication.job(CHIEF, dialogue)
    sheet = workspace.desks.open(final).sheet
    assert {one.code for volley in sheet.volleys for one in volley} == {None}
    assert "".join(one.text for one in sheet.volleys[0]) == final.messages[1].content


# --- the final coding


def test_it_begins_with_what_all_said(workspace: Workspace) -> None:
    dialogue = coded(workspace, "one", CLEAN)
    job = workspace.assignments.job(BO, assign(workspace.store, BO, dialogue))
    change(workspace, job, do="split", volley=0, utterance=1, at=4)
    for volley, utterance, code in ((0, 0, "SR"), (0, 1, "Q"), (1, 0, "SR")):
        change(workspace, job, do="code", volley=volley, utterance=utterance, code=code)
    change(workspace, job, do="global", key="CCT", value=5)
    hand_in(workspace, job, goal="另一个目标")
    final = workspace.adjudication.job(CHIEF, dialogue)
    assert codes_of(final) == [
        [("one，您想少抽一点。", "SR"), ("是什么让", "Q"), ("您想改？", None)],
        [("咳嗽让您担心。", None), ("下一步由您定。", None)],
    ]
    assert final.begin is not None
    assert final.begin.globals == dict.fromkeys(GLOBALS, 3)
    assert final.begin.change_goal == ""


@pytest.mark.parametrize(
    ("goals", "expected"),
    [
        (("少抽烟", "少抽烟", "少抽烟"), "少抽烟"),
        (("少抽烟", "少抽烟", "不抽烟"), ""),
    ],
)
def test_the_goal_is_named_only_where_all_named_the_same(
    workspace: Workspace, goals: tuple[str, ...], expected: str
) -> None:
    (dialogue,) = import_alone(workspace, "one")
    for who, goal in zip((ANN, BO, CY), goals, strict=True):
        hand_in(
            workspace, workspace.assignments.job(who, assign(workspace.store, who, dialogue)), goal
        )
    final = workspace.adjudication.job(CHIEF, dialogue)
    assert final.begin is not None and final.begin.change_goal == expected
    if not expected:
        with pytest.raises(Refused) as caught:
            version = workspace.desks.open(final).sheet.version
            workspace.desks.submit(final, version, sure=True, trained=True, reason="已讨论")
        assert caught.value.code == "no_goal"


@pytest.mark.parametrize(("second", "expected"), [(5, 5), (4, 3)])
def test_globals_begin_where_all_put_them_else_in_the_middle(
    workspace: Workspace, second: int, expected: int
) -> None:
    (dialogue,) = import_alone(workspace, "one")
    for who, value in ((ANN, 5), (BO, second)):
        job = workspace.assignments.job(who, assign(workspace.store, who, dialogue))
        change(workspace, job, do="global", key="EMPATHY", value=value)
        hand_in(workspace, job)
    begin = workspace.adjudication.job(CHIEF, dialogue).begin
    assert begin is not None
    assert begin.globals == dict.fromkeys(GLOBALS, 3) | {"EMPATHY": expected}
    compared = workspace.adjudication.compare(dialogue)
    assert compared.differing_globals == (() if second == 5 else ("EMPATHY",))
    [case] = workspace.adjudication.cases()
    assert case.differing == (0 if second == 5 else 1)


@pytest.mark.parametrize(
    ("rated", "expected"),
    [
        ([{"CCT": 3}, {"CCT": 3}], ()),
        ([{"CCT": 3}, {"CCT": 4}], ("CCT",)),
        ([{"EMPATHY": 1, "CCT": 3}, {"EMPATHY": 2, "CCT": 4}], ("CCT", "EMPATHY")),
        ([{"SST": 3}, {"SST": 3}, {}], ("SST",)),
        ([{}, {}], ()),
    ],
)
def test_globals_that_not_all_rate_alike(
    rated: list[dict[str, int]], expected: tuple[str, ...]
) -> None:
    assert differing_globals([parse_coding({"globals": one}) for one in rated]) == expected


def test_one_rater_with_two_codings_of_a_dialogue_is_one_coder(workspace: Workspace) -> None:
    dialogue = coded(workspace, "one", CLEAN)
    code_dialogue(workspace, ANN, dialogue, OTHER)
    assert workspace.adjudication.cases() == []
    code_dialogue(workspace, BO, dialogue, OTHER)
    assert workspace.adjudication.cases() == [Case(dialogue, 2, differing=0, final=False)]


def rated(workspace: Workspace, *values: int, form: str = "full") -> str:
    """A dialogue whose Empathy ANN and BO rate so, and whose CCT both rate 5; its id."""
    (dialogue,) = import_alone(workspace, "one")
    for who, value in zip((ANN, BO), values, strict=True):
        job = workspace.assignments.job(who, assign(workspace.store, who, dialogue))
        change(workspace, job, do="global", key="EMPATHY", value=value)
        change(workspace, job, do="global", key="CCT", value=5)
        change(workspace, job, do="form", form=form)
        hand_in(workspace, job)
    return dialogue


@pytest.mark.parametrize("chosen", [3, 5])
def test_a_global_on_which_coders_differ_must_be_chosen(
    workspace: Workspace, elsewhere: Workspace, chosen: int
) -> None:
    """Also where it is to be the 3 that it begins with, and over a reload."""
    final = workspace.adjudication.job(CHIEF, rated(workspace, 2, 4))
    assert workspace.desks.open(final).unchosen == ("EMPATHY",)
    change(workspace, final, do="global", key="CCT", value=4)
    with pytest.raises(Refused) as caught:
        hand_in(workspace, final, reason="已讨论")
    assert (caught.value.code, caught.value.values) == ("unchosen", {"n": 1})
    change(workspace, final, do="global", key="EMPATHY", value=chosen)
    assert elsewhere.desks.open(final).unchosen == ()
    change(workspace, final, do="undo")
    assert workspace.desks.open(final).unchosen == ("EMPATHY",)
    change(workspace, final, do="global", key="EMPATHY", value=chosen)
    hand_in(elsewhere, final, reason="已讨论")
    handed = workspace.desks.handed(final)[-1]
    assert (handed.globals["EMPATHY"], handed.globals["CCT"]) == (chosen, 4)


def test_what_all_rated_alike_is_filled_in_beside_totals_too(workspace: Workspace) -> None:
    final = workspace.adjudication.job(CHIEF, rated(workspace, 4, 4, form="quick"))
    desk = workspace.desks.open(final)
    assert (desk.sheet.globals["EMPATHY"], desk.sheet.globals["CCT"]) == (4, 5)
    assert desk.sheet.change_goal == "少抽烟" and desk.unchosen == ()


def test_it_is_kept_apart_from_the_codings(workspace: Workspace) -> None:
    dialogue = coded(workspace, "one", CLEAN, OTHER)
    before = workspace.ledger.now().codings
    compared = workspace.adjudication.compare(dialogue)
    final = workspace.adjudication.job(CHIEF, dialogue)
    change(workspace, final, do="code", volley=0, utterance=0, code="CR")
    hand_in(workspace, final, reason="第一句更深")
    after = workspace.ledger.now().codings
    assert before.items() < after.items()
    (handed,) = [one for id_, (one,) in after.items() if id_ not in before]
    assert (handed.told.source, handed.told.dialogue) == ("adjudicated", dialogue)
    assert (handed.told.reason, handed.told.assignment) == ("第一句更深", None)
    assert (handed.rater, handed.role) == (CHIEF.rater, "admin")
    assert workspace.adjudication.cases() == [Case(dialogue, 2, differing=2, final=True)]
    now = workspace.adjudication.compare(dialogue)
    assert now.codings == compared.codings and now.volleys == compared.volleys
    assert now.reason == "第一句更深"


def test_a_dialogue_has_one_final_coding_whichever_admin_goes_on_with_it(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    dialogue = coded(workspace, "one", CLEAN, OTHER)
    first = workspace.adjudication.job(CHIEF, dialogue)
    change(workspace, first, do="code", volley=0, utterance=0, code="CR")
    second = elsewhere.adjudication.job(DEPUTY, dialogue)
    assert elsewhere.desks.open(second).sheet == workspace.desks.open(first).sheet
    assert hand_in(workspace, first, reason="已讨论").revision == 1
    change(elsewhere, second, do="code", volley=0, utterance=0, code="SR")
    assert hand_in(elsewhere, second, reason="又讨论了").revision == 2
    handed = workspace.ledger.now().codings[first.coding]
    assert [(one.rater, one.told.reason) for one in handed] == [
        (CHIEF.rater, "已讨论"),
        (DEPUTY.rater, "又讨论了"),
    ]
    assert workspace.adjudication.compare(dialogue).reason == "又讨论了"


def test_it_is_nothing_without_its_reason(workspace: Workspace) -> None:
    dialogue = coded(workspace, "one", CLEAN, OTHER)
    with pytest.raises(ValidationError, match="needs reason"):
        hand_in(workspace, workspace.adjudication.job(CHIEF, dialogue))
    told = [event.payload for event in workspace.store.events("coding_submitted")]
    assert {one.source for one in told if isinstance(one, CodingSubmitted)} == {"assigned"}


def test_a_case_goes_with_its_battle(workspace: Workspace) -> None:
    battle = append_battle(workspace.store)
    workspace.material.draw_battles()
    dialogue = next(iter(workspace.ledger.now().dialogues))
    for who in (ANN, BO):
        code_dialogue(workspace, who, dialogue, CLEAN)
    hand_in(workspace, workspace.adjudication.job(CHIEF, dialogue), reason="已讨论")
    assert len(workspace.adjudication.cases()) == 1
    tell(workspace.store, withdrawn(battle), VISITOR, EPOCH)
    assert workspace.adjudication.cases() == []
    assert refused_with(workspace, dialogue) == {"no_work"}
    assert workspace.ledger.now().codings == {}
