"""Practice: the first attempt counts, the bar decides, and the key is shown only afterwards."""

from __future__ import annotations

import math

import pytest

from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Refused
from mi_arena.miti.coding import Coding
from mi_arena.miti.practice import Bar, score
from mi_arena.miti.vignettes import vignettes
from mi_arena.records.workspace_events import PracticeDone
from mi_arena.workspace.desk import Desk
from mi_arena.workspace.practising import is_trained
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import ANN, BO, assign, change, import_alone, tell, texts_in, train


def fill(workspace: Workspace, who: Identity, number: int, known: Coding) -> Desk:
    """An exercise filled as ``known`` says, change by change as a page sends them."""
    job = workspace.practice.job(who, number)
    desk = change(workspace, job, do="goal", text="一个目标")
    for key, value in known.globals.items():
        desk = change(workspace, job, do="global", key=key, value=value)
    for volley, one in enumerate(known.volleys or ()):
        for place, utterance in enumerate(one.utterances):
            given = {"volley": volley, "utterance": place, "code": utterance.code}
            desk = change(workspace, job, do="code", **given)
    return desk


def practise(workspace: Workspace, who: Identity, number: int, known: Coding) -> None:
    desk = fill(workspace, who, number, known)
    workspace.practice.submit(who, number, desk.sheet.version, sure=True)


def rated(coding: Coding, **apart: int) -> Coding:
    """The coding with some globals moved by so much."""
    moved = {key: coding.globals[key] + difference for key, difference in apart.items()}
    return coding.model_copy(update={"globals": {**coding.globals, **moved}})


def without_codes(coding: Coding) -> Coding:
    bare = [
        volley.model_copy(
            update={
                "utterances": tuple(u.model_copy(update={"code": None}) for u in volley.utterances)
            }
        )
        for volley in coding.volleys or ()
    ]
    return coding.model_copy(update={"volleys": tuple(bare)})


def states(workspace: Workspace, who: Identity) -> list[str]:
    return [one.state for one in workspace.practice.progress(who).exercises]


def trained(workspace: Workspace, who: Identity) -> bool:
    """As every room asks it, and as a page shows it: they must agree."""
    told = is_trained(workspace.ledger.now(), who.rater)
    assert told == workspace.practice.progress(who).trained
    return told


# --- the way through


def test_a_rater_who_codes_as_the_key_says_is_trained(workspace: Workspace) -> None:
    for number, vignette in enumerate(vignettes()[:2], 1):
        assert not trained(workspace, ANN)
        assert workspace.practice.progress(ANN).next == number
        practise(workspace, ANN, number, vignette.known)
    assert trained(workspace, ANN) and not trained(workspace, BO)
    progress = workspace.practice.progress(ANN)
    assert (progress.passed, progress.needed, progress.next) == (2, 2, 3)
    assert states(workspace, ANN) == ["passed", "passed"] + ["open"] * (len(vignettes()) - 2)


def test_an_exercise_is_cut_as_its_key_and_carries_no_code_of_it(workspace: Workspace) -> None:
    for number, vignette in enumerate(vignettes(), 1):
        desk = workspace.desks.open(workspace.practice.job(ANN, number))
        assert desk.job.messages == vignette.messages
        shown = [[one.text for one in volley] for volley in desk.sheet.volleys]
        known = [[one.text for one in v.utterances] for v in vignette.known.volleys or ()]
        assert shown == known
        assert {one.code for volley in desk.sheet.volleys for one in volley} == {None}
        assert set(desk.sheet.globals.values()) == {3} and desk.sheet.change_goal == ""
        assert not [text for text in texts_in(desk) if vignette.id in text]


def test_failing_counts_and_cannot_be_made_good(workspace: Workspace) -> None:
    first = vignettes()[0]
    practise(workspace, ANN, 1, without_codes(first.known))
    assert states(workspace, ANN)[0] == "failed"
    with pytest.raises(Refused) as caught:
        workspace.practice.job(ANN, 1)
    assert caught.value.code == "practised_already"
    with pytest.raises(Refused) as caught:
        workspace.practice.submit(ANN, 1, 99, sure=True)
    assert caught.value.code == "practised_already"
    assert workspace.practice.progress(ANN).next == 2


def test_of_two_attempts_that_were_both_stored_the_first_counts(workspace: Workspace) -> None:
    """As from two devices at the same moment."""
    first = vignettes()[0]
    for filled in (without_codes(first.known), first.known):
        tell(workspace.store, PracticeDone(vignette=first.id, filled=filled), ANN)
    for filled in (first.known, without_codes(first.known)):
        tell(workspace.store, PracticeDone(vignette=first.id, filled=filled), BO)
    assert (states(workspace, ANN)[0], states(workspace, BO)[0]) == ("failed", "passed")


def test_handing_in_asks_for_the_goal_the_latest_version_and_a_second_look(
    workspace: Workspace,
) -> None:
    known = vignettes()[0].known
    job = workspace.practice.job(ANN, 1)
    bare = workspace.desks.open(job).sheet.version
    with pytest.raises(Refused) as caught:
        workspace.practice.submit(ANN, 1, bare, sure=True)
    assert caught.value.code == "no_goal"
    last = fill(workspace, ANN, 1, without_codes(known)).sheet.version
    with pytest.raises(Refused) as caught:
        workspace.practice.submit(ANN, 1, last - 1, sure=True)
    assert caught.value.code == "overtaken"
    with pytest.raises(Refused) as caught:
        workspace.practice.submit(ANN, 1, last, sure=False)
    utterances = sum(len(volley.utterances) for volley in known.volleys or ())
    assert (caught.value.code, caught.value.values["blank"]) == ("unsure", utterances)
    assert states(workspace, ANN)[0] == "open"
    workspace.practice.submit(ANN, 1, last, sure=True)
    assert states(workspace, ANN)[0] == "failed"


def test_what_is_stored_is_the_filled_sheet(workspace: Workspace) -> None:
    known = vignettes()[0].known
    practise(workspace, ANN, 1, known)
    (event,) = workspace.store.events("practice_done")
    assert isinstance(event.payload, PracticeDone)
    assert (event.rater, event.role) == (ANN.rater, "expert")
    assert event.payload.vignette == vignettes()[0].id
    assert event.payload.filled == known.model_copy(update={"change_goal": "一个目标"})


# --- looking at it afterwards


def test_the_key_is_shown_once_it_cannot_help_any_more(workspace: Workspace) -> None:
    for number in (-1, 0, 1, len(vignettes()) + 1):
        with pytest.raises(Refused) as caught:
            workspace.practice.looked_at(ANN, number)
        assert caught.value.code == "no_work"
    first = vignettes()[0]
    practise(workspace, ANN, 1, rated(first.known, CCT=-3))
    vignette, told = workspace.practice.looked_at(ANN, 1)
    assert vignette == first
    assert told.globals == {key: -3 if key == "CCT" else 0 for key in first.known.globals}
    assert told.share == 1 and not told.passed
    assert told == workspace.practice.progress(ANN).exercises[0].score
    for who, number in ((ANN, 2), (BO, 1)):
        with pytest.raises(Refused) as caught:
            workspace.practice.looked_at(who, number)
        assert caught.value.code == "no_work"


@pytest.mark.parametrize("number", [-1, 0, len(vignettes()) + 1, 10**6])
def test_there_is_no_exercise_beyond_the_list(workspace: Workspace, number: int) -> None:
    with pytest.raises(Refused) as caught:
        workspace.practice.job(ANN, number)
    assert caught.value.code == "no_work"


# --- the bar


def test_the_bar_begins_at_two_vignettes(workspace: Workspace) -> None:
    bar = workspace.practice.bar()
    assert (bar.share, bar.globals_within, bar.vignettes) == (0.7, 1, 2)
    workspace.practice.set_bar(0.5, 2, 4)
    bar = workspace.practice.bar()
    assert (bar.share, bar.globals_within, bar.vignettes) == (0.5, 2, 4)
    (event,) = workspace.store.events("practice_bar_set")
    assert (event.role, event.rater) == ("admin", None)


@pytest.mark.parametrize(
    ("share", "within", "needed", "is_trained_by_it"),
    [
        (0.7, 1, 2, True),
        (0.7, 1, 3, False),
        (0.7, 0, 2, False),
        (0.7, 0, 1, True),
        (1, 1, 2, False),
        (1, 1, 1, True),
    ],
)
def test_a_bar_that_is_moved_later_holds_for_what_was_done_before(
    workspace: Workspace, share: float, within: int, needed: int, is_trained_by_it: bool
) -> None:
    """One exercise was coded as its key says; the other one code and a global beside it."""
    first, second = vignettes()[:2]
    tell(workspace.store, PracticeDone(vignette=first.id, filled=first.known), ANN)
    beside = rated(second.known, EMPATHY=-1)
    assert beside.volleys is not None
    *volleys, last = beside.volleys
    assert last.utterances[-1].code is not None
    bare = last.utterances[-1].model_copy(update={"code": None})
    last = last.model_copy(update={"utterances": (*last.utterances[:-1], bare)})
    beside = beside.model_copy(update={"volleys": (*volleys, last)})
    assert 0.7 <= score(beside, second.known, Bar()).share < 1
    tell(workspace.store, PracticeDone(vignette=second.id, filled=beside), ANN)
    assert trained(workspace, ANN)
    workspace.practice.set_bar(share, within, needed)
    assert trained(workspace, ANN) == is_trained_by_it
    workspace.practice.set_bar(0.7, 1, 2)
    assert trained(workspace, ANN)


def test_work_is_closed_to_raters_below_the_bar(workspace: Workspace) -> None:
    (dialogue,) = import_alone(workspace, "one")
    assignment = assign(workspace.store, ANN, dialogue)
    for step in ("before practice", "trained", "bar raised", "bar lowered"):
        match step:
            case "trained":
                train(workspace.store, ANN)
            case "bar raised":
                workspace.practice.set_bar(0.7, 1, 3)
            case "bar lowered":
                workspace.practice.set_bar(0.7, 1, 1)
        if step in ("trained", "bar lowered"):
            assert workspace.assignments.job(ANN, assignment).key == assignment
            continue
        with pytest.raises(Refused) as caught:
            workspace.assignments.job(ANN, assignment)
        assert caught.value.code == "not_trained"


@pytest.mark.parametrize(
    ("share", "within", "needed"),
    [
        (0, 1, 2),
        (1.01, 1, 2),
        (math.nan, 1, 2),
        (0.7, -1, 2),
        (0.7, 5, 2),
        (0.7, 1, 0),
        (0.7, 1, 11),
        (0.7, 1, 1.5),
    ],
)
def test_a_bar_that_cannot_be_is_refused(
    workspace: Workspace, share: float, within: int, needed: int
) -> None:
    before = workspace.practice.bar()
    with pytest.raises(Refused) as caught:
        workspace.practice.set_bar(share, within, needed)
    assert caught.value.code == "bad_number"
    assert workspace.practice.bar() == before
