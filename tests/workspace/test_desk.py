"""Filling a sheet and handing it in: nothing is lost, nothing is overwritten, nothing is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, get_args

import pytest

from mi_arena.battles.refusal import Code, Refused
from mi_arena.miti.editing import BadChange, Misfit
from mi_arena.miti.items import CODES, GLOBALS
from mi_arena.miti.summary import summarize
from mi_arena.records.drafts import Draft
from mi_arena.records.workspace_events import CodingSubmitted
from mi_arena.workspace.desk import Job
from mi_arena.workspace.sheets import misfit
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
    assigned_to,
    change,
    code_dialogue,
    hand_in,
    import_alone,
    jsonl,
    line,
    texts_in,
    train,
)

MakeJob = Callable[[Workspace], Job]


def assigned(workspace: Workspace) -> Job:
    """ANN's full coding of an imported dialogue."""
    return assigned_to(workspace, ANN)


def own(workspace: Workspace) -> Job:
    """A visitor's quick form for side A of their battle."""
    append_battle(workspace.store)
    return workspace.own.job(VISITOR, "token-1", "A")


def practice(workspace: Workspace) -> Job:
    return workspace.practice.job(ANN, 1)


def final(workspace: Workspace) -> Job:
    """An admin's final coding of what two experts coded."""
    train(workspace.store, ANN, BO)
    (dialogue,) = import_alone(workspace, "one")
    for who in (ANN, BO):
        code_dialogue(workspace, who, dialogue, CLEAN)
    return workspace.adjudication.job(CHIEF, dialogue)


def refusal(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value


# --- filling


def test_a_new_sheet_is_cut_uncoded_and_looking_at_it_stores_nothing(workspace: Workspace) -> None:
    job = assigned(workspace)
    before = workspace.store.count()
    desk = workspace.desks.open(job)
    assert [[one.text for one in volley] for volley in desk.sheet.volleys] == [
        ["one，您想少抽一点。", "是什么让您想改？"],
        ["咳嗽让您担心。", "下一步由您定。"],
    ]
    assert desk.sheet.coding.globals == dict.fromkeys(GLOBALS, 3)
    assert (desk.sheet.form, desk.sheet.version) == ("full", 0)
    assert (desk.revision, desk.changed) == (0, True)
    assert workspace.store.count() == before and workspace.drafts.keys(ANN.rater) == []


def test_every_change_is_there_for_the_next_device(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    job = assigned(workspace)
    change(workspace, job, do="code", volley=0, utterance=1, code="Q")
    change(elsewhere, job, do="split", volley=1, utterance=1, at=3)
    change(workspace, job, do="global", key="EMPATHY", value=5)
    there = elsewhere.desks.open(job).sheet
    assert there == workspace.desks.open(job).sheet
    assert there.version == 3 and there.globals["EMPATHY"] == 5
    assert [[(one.text, one.code) for one in volley] for volley in there.volleys] == [
        [("one，您想少抽一点。", None), ("是什么让您想改？", "Q")],
        [("咳嗽让您担心。", None), ("下一步", None), ("由您定。", None)],
    ]


def test_a_change_tells_the_desk_before_and_after(workspace: Workspace) -> None:
    job = assigned(workspace)
    first = workspace.desks.open(job)
    before, after = workspace.desks.change(job, 0, {"do": "goal", "text": "少抽烟"})
    assert before == first and after == workspace.desks.open(job)
    assert (before.sheet.change_goal, after.sheet.change_goal) == ("", "少抽烟")


@pytest.mark.parametrize("version", [0, 1, 3, -1, None, "2"])
def test_a_device_that_was_overtaken_changes_nothing(
    workspace: Workspace, elsewhere: Workspace, version: object
) -> None:
    job = assigned(workspace)
    for text in ("少抽", "少抽烟"):
        change(workspace, job, do="goal", text=text)
    then = workspace.desks.open(job).sheet
    late = {"do": "global", "key": "CCT", "value": 1}
    assert refusal(lambda: elsewhere.desks.change(job, version, late)).code == "overtaken"
    given = {"sure": True, "trained": True}
    assert refusal(lambda: elsewhere.desks.submit(job, version, **given)).code == "overtaken"
    assert workspace.desks.open(job).sheet == then
    assert workspace.store.count("coding_submitted") == 0


def test_undoing_leads_back_step_by_step_on_any_device(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    job = assigned(workspace)
    codings = [workspace.desks.open(job).sheet.coding]
    for given in (
        {"do": "merge", "volley": 0, "utterance": 0},
        {"do": "code", "volley": 0, "utterance": 0, "code": "CR"},
        {"do": "form", "form": "quick"},
        {"do": "count", "code": "Q", "value": 4},
    ):
        codings.append(change(workspace, job, **given).sheet.coding)
    for coding in codings[-2::-1]:
        assert change(elsewhere, job, do="undo").sheet.coding == coding
    assert workspace.desks.open(job).sheet.coding == codings[0]
    assert refusal(lambda: change(workspace, job, do="undo")).code == "change_nothing_done"


SPLIT = {"do": "split", "volley": 0, "utterance": 0, "at": 2}
MERGE = {"do": "merge", "volley": 0, "utterance": 0}
CODE = {"do": "code", "volley": 0, "utterance": 0, "code": "Q"}
FULL, QUICK = ({"do": "form", "form": form} for form in ("full", "quick"))


@pytest.mark.parametrize(
    ("make", "given", "code"),
    [
        (practice, SPLIT, "change_fixed"),
        (practice, MERGE, "change_fixed"),
        (practice, QUICK, "change_fixed"),
        (own, FULL, "change_fixed"),
        (own, QUICK, "change_fixed"),
        (assigned, None, "change_unreadable"),
        (assigned, {"do": "erase"}, "change_unreadable"),
        (assigned, CODE | {"volley": 9}, "change_no_such_place"),
        (assigned, CODE | {"utterance": 2}, "change_no_such_place"),
        (assigned, SPLIT | {"at": 99}, "change_cut_off"),
        (assigned, MERGE | {"utterance": 1}, "change_last"),
    ],
)
def test_what_does_not_fit_a_job_changes_nothing(
    workspace: Workspace, make: MakeJob, given: object, code: str
) -> None:
    job = make(workspace)
    then = workspace.desks.open(job)
    refused = refusal(lambda: workspace.desks.change(job, 0, given))
    assert (refused.code, refused.values) == (code, {})
    assert workspace.desks.open(job) == then


def test_every_misfit_has_a_sentence_of_its_own() -> None:
    told = [misfit(BadChange(code, "why")).code for code in get_args(Misfit)]
    assert len(set(told)) == len(told) and set(told) < set(get_args(Code))


@pytest.mark.parametrize("make", [assigned, final])
def test_codings_may_be_cut_anew_and_counted_instead(workspace: Workspace, make: MakeJob) -> None:
    job = make(workspace)
    for given in (SPLIT, MERGE, QUICK, FULL):
        change(workspace, job, **given)
    assert workspace.desks.open(job).sheet.version == 4


def test_a_draft_that_cannot_be_read_is_never_overwritten(workspace: Workspace) -> None:
    job = assigned(workspace)
    newer = Draft(7, '{"version": 7, "of": "a newer MI Arena"}')
    workspace.drafts.put(job.owner, job.key, newer, replaces=None)
    for call in (
        lambda: workspace.desks.open(job),
        lambda: workspace.desks.change(job, 7, {"do": "goal", "text": "少抽烟"}),
        lambda: workspace.desks.submit(job, 7, sure=True, trained=True),
    ):
        assert refusal(call).code == "damaged_draft"
    assert workspace.drafts.get(job.owner, job.key) == newer


# --- handing in


@pytest.mark.parametrize("goal", [None, "", "  \n"])
@pytest.mark.parametrize("sure", [False, True])
def test_a_coding_needs_its_goal(workspace: Workspace, goal: str | None, sure: bool) -> None:
    job = assigned(workspace)
    if goal is not None:
        change(workspace, job, do="goal", text=goal)
    version = workspace.desks.open(job).sheet.version
    refused = refusal(lambda: workspace.desks.submit(job, version, sure=sure, trained=True))
    assert refused.code == "no_goal"
    assert workspace.desks.open(job).revision == 0


@pytest.mark.parametrize(
    ("codes", "to_see"),
    [
        ({}, {"broken": 0, "blank": 4}),
        ({(0, 0): "Q", (0, 1): "Q"}, {"broken": 1, "blank": 2}),
        (CLEAN | {(1, 1): "SR"}, {"broken": 1, "blank": 0}),
        (CLEAN, None),
    ],
)
def test_what_may_have_been_overlooked_is_asked_about_once(
    workspace: Workspace, codes: dict[tuple[int, int], str], to_see: dict[str, int] | None
) -> None:
    job = assigned(workspace)
    for (volley, utterance), code in codes.items():
        change(workspace, job, do="code", volley=volley, utterance=utterance, code=code)
    version = change(workspace, job, do="goal", text="少抽烟").sheet.version
    if to_see is not None:
        refused = refusal(lambda: workspace.desks.submit(job, version, sure=False, trained=True))
        assert (refused.code, refused.values) == ("unsure", to_see)
        assert workspace.desks.open(job).revision == 0
    desk = workspace.desks.submit(job, version, sure=to_see is not None, trained=True)
    assert (desk.revision, desk.changed) == (1, False)


def test_the_quick_form_asks_about_totals_that_are_blank(workspace: Workspace) -> None:
    job = own(workspace)
    assert workspace.desks.open(job).sheet.form == "quick"
    change(workspace, job, do="goal", text="少抽烟")
    for left, code in zip(range(len(CODES), 0, -1), CODES, strict=True):
        version = workspace.desks.open(job).sheet.version
        refused = refusal(
            lambda version=version: workspace.desks.submit(job, version, sure=False, trained=False)
        )
        assert (refused.code, refused.values) == ("unsure", {"broken": 0, "blank": left})
        change(workspace, job, do="count", code=code, value=0)
    version = workspace.desks.open(job).sheet.version
    assert workspace.desks.submit(job, version, sure=False, trained=False).revision == 1


@pytest.mark.parametrize("trained", [True, False])
def test_what_is_stored(workspace: Workspace, trained: bool) -> None:
    job = assigned(workspace)
    for (volley, utterance), code in CLEAN.items():
        change(workspace, job, do="code", volley=volley, utterance=utterance, code=code)
    hand_in(workspace, job, trained=trained)
    (event,) = workspace.store.events("coding_submitted")
    (dialogue,) = workspace.ledger.now().dialogues
    assert (event.rater, event.role, event.epoch) == (ANN.rater, "expert", None)
    told = event.payload
    assert isinstance(told, CodingSubmitted)
    assert told.model_dump(exclude={"filled"}) == {
        "coding": job.key,
        "revision": 1,
        "source": "assigned",
        "dialogue": dialogue,
        "assignment": job.key,
        "battle": None,
        "side": None,
        "trained": trained,
        "revealed": False,
        "suggestion": None,
        "form": "full",
        "reason": None,
    }
    counted = summarize(told.filled).counts
    assert {code for code, count in counted.items() if count} == set(CLEAN.values())
    assert told.filled.change_goal == "少抽烟"


def test_a_coding_from_a_battle_says_its_epoch_and_a_counted_one_its_form(
    workspace: Workspace,
) -> None:
    train(workspace.store, ANN)
    append_battle(workspace.store)
    workspace.material.draw_battles()
    dialogue = next(iter(workspace.ledger.now().dialogues))
    job = workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue))
    change(workspace, job, **QUICK)
    change(workspace, job, do="count", code="SR", value=2)
    hand_in(workspace, job)
    (event,) = workspace.store.events("coding_submitted", epoch=EPOCH)
    assert isinstance(event.payload, CodingSubmitted)
    assert event.payload.form == "quick" and event.payload.filled.volleys is None
    assert event.payload.filled.counts == {"SR": 2}


def test_the_same_again_is_refused_and_a_correction_is_another_revision(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    job = assigned(workspace)
    hand_in(workspace, job)
    given: dict[str, Any] = {"sure": True, "trained": True}
    version = workspace.desks.open(job).sheet.version
    assert refusal(lambda: elsewhere.desks.submit(job, version, **given)).code == "unchanged"
    moved = change(elsewhere, job, do="global", key="CCT", value=5)
    assert (moved.revision, moved.changed) == (1, True)
    back = change(workspace, job, do="undo")
    assert (back.revision, back.changed) == (1, False)
    change(workspace, job, do="global", key="CCT", value=1)
    desk = hand_in(elsewhere, job)
    assert (desk.revision, desk.changed) == (2, False)
    assert [coding.globals["CCT"] for coding in workspace.desks.handed(job)] == [3, 1]


def test_a_corrected_reason_alone_is_a_revision_and_the_same_one_is_not(
    workspace: Workspace,
) -> None:
    job = final(workspace)
    assert hand_in(workspace, job, reason="已讨论").revision == 1
    assert refusal(lambda: hand_in(workspace, job, reason="已讨论")).code == "unchanged"
    assert hand_in(workspace, job, reason="重听了录音").revision == 2
    last = workspace.ledger.now().codings[job.coding]
    assert [one.told.reason for one in last] == ["已讨论", "重听了录音"]


@pytest.mark.parametrize("make", [assigned, own])
def test_where_the_draft_was_lost_the_sheet_is_taken_up_from_what_was_handed_in(
    workspace: Workspace, make: MakeJob
) -> None:
    job = make(workspace)
    change(workspace, job, do="global", key="SST", value=1)
    if make is own:
        change(workspace, job, do="count", code="CR", value=7)
    else:
        change(workspace, job, **MERGE)
        change(workspace, job, do="code", volley=0, utterance=0, code="CR")
    handed = hand_in(workspace, job).sheet
    workspace.drafts.drop(job.owner, job.key)
    again = workspace.desks.open(job)
    assert (again.sheet.coding, again.sheet.form) == (handed.coding, handed.form)
    assert (again.revision, again.changed) == (1, False)
    # A page that shows the lost sheet, or the one before the first change, is told so.
    for stale in (0, handed.version):
        submit = partial(workspace.desks.submit, job, stale, sure=True, trained=True)
        assert refusal(submit).code == "overtaken"
    submit = partial(workspace.desks.submit, job, again.sheet.version, sure=True, trained=True)
    assert refusal(submit).code == "unchanged"
    change(workspace, job, do="global", key="SST", value=2)
    assert hand_in(workspace, job).revision == 2
    assert [one.globals["SST"] for one in workspace.desks.handed(job)] == [1, 2]


@pytest.mark.parametrize(("make", "reason"), [(assigned, None), (own, None), (final, "已讨论")])
def test_of_devices_that_hand_in_at_the_same_moment_one_stores_one_revision(
    workspace: Workspace, elsewhere: Workspace, make: MakeJob, reason: str | None
) -> None:
    job = make(workspace)
    stored = workspace.store.count("coding_submitted")
    version = change(workspace, job, do="goal", text="不再抽烟").sheet.version
    gate = Barrier(6)

    def press(device: Workspace) -> str:
        gate.wait()
        try:
            device.desks.submit(job, version, sure=True, trained=True, reason=reason)
        except Refused as refused:
            return refused.code
        return "stored"

    with ThreadPoolExecutor(6) as pool:
        outcomes = Counter(pool.map(press, [workspace, elsewhere] * 3))
    assert outcomes["stored"] == 1 and set(outcomes) <= {"stored", "overtaken", "unchanged"}
    assert workspace.store.count("coding_submitted") == stored + 1
    assert workspace.desks.open(job).revision == 1


def test_of_devices_that_change_at_the_same_moment_one_changes(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    job = assigned(workspace)
    gate = Barrier(6)

    def press(number: int, version: int) -> bool:
        device = (workspace, elsewhere)[number % 2]
        gate.wait()
        try:
            device.desks.change(job, version, {"do": "goal", "text": f"{number}"})
        except Refused as refused:
            assert refused.code == "overtaken"
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        for version in range(10):
            pressed = list(pool.map(press, range(6), [version] * 6))
            sheet = workspace.desks.open(job).sheet
            won = [str(number) for number, done in enumerate(pressed) if done]
            assert won == [sheet.change_goal] and sheet.version == version + 1


# --- what a page may know


def test_a_desk_tells_nothing_of_what_the_dialogue_is(workspace: Workspace) -> None:
    """But for ``source`` and ``epoch``, which are said to be hidden."""
    train(workspace.store, ANN)
    battle = append_battle(workspace.store)
    workspace.material.draw_battles()
    lines = jsonl([line("one", match_id="m9", system="remote:gpt-4")])
    workspace.material.import_dialogues(lines, "in.jsonl")
    books = workspace.ledger.now()
    hidden = {battle, EPOCH, "quokka", "wombat", "tuned", "base", "gpt-4", "m9"}
    hidden |= set(books.dialogues) | set(books.matches)
    for dialogue in books.dialogues:
        job = workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue))
        change(workspace, job, do="code", volley=0, utterance=0, code="SR")
        desk = hand_in(workspace, job)
        told = list(texts_in(desk, hidden={"source", "epoch"}))
        assert desk.job.messages[1].content in told
        assert not [(text, one) for text in told for one in hidden if one in text]
        assert hidden & set(texts_in(desk.job.source))
