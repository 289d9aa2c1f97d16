"""Judging a match: blind, each rater with sides of their own, once and for all."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from mi_arena.access.identity import Identity
from mi_arena.battles.form import FORM_VERSION, REASON_LIMIT, Answers
from mi_arena.battles.refusal import Refused
from mi_arena.records.workspace_events import MatchJudged
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    ANSWERS,
    BO,
    EPOCH,
    add_third,
    append_battle,
    assign,
    close_epoch,
    import_alone,
    import_match,
    one_match,
    texts_in,
    train,
)

OTHER = Answers(overall="A")


def refused_with(workspace: Workspace, who: Identity, assignment: str) -> set[str]:
    """Why this work can't be opened, and why it can't be judged."""
    codes = set()
    for call in (
        lambda: workspace.matches.open(who, assignment),
        lambda: workspace.matches.judge(who, assignment, ANSWERS),
    ):
        with pytest.raises(Refused) as caught:
            call()
        codes.add(caught.value.code)
    return codes


def stored(workspace: Workspace) -> list[MatchJudged]:
    told = [event.payload for event in workspace.store.events("match_judged")]
    return [one for one in told if isinstance(one, MatchJudged)]


def system_on_a(workspace: Workspace, who: Identity, match: str) -> str:
    view = workspace.matches.open(who, assign(workspace.store, who, match, "match"))
    books = workspace.ledger.now()
    shown = {books.dialogues[one].messages: one for one in books.matches[match]}
    assert {view.sides["A"], view.sides["B"]} == set(shown)
    return books.dialogues[shown[view.sides["A"]]].system


def test_sides_differ_from_match_to_match_and_from_rater_to_rater(workspace: Workspace) -> None:
    train(workspace.store, ANN, BO)
    matches = [import_match(workspace, f"m{number}") for number in range(24)]
    of_ann, of_bo = ([system_on_a(workspace, who, m) for m in matches] for who in (ANN, BO))
    alike = sum(one == other for one, other in zip(of_ann, of_bo, strict=True))
    # Half of 24, give or take: less would happen once in 3,000 draws of a fair coin.
    for often in (of_ann.count("tuned"), of_bo.count("tuned"), alike):
        assert 4 <= often <= 20


def test_sides_stay_whenever_and_wherever_a_rater_looks(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    train(workspace.store, ANN)
    for number in range(4):
        assignment = assign(workspace.store, ANN, import_match(workspace, f"m{number}"), "match")
        first = workspace.matches.open(ANN, assignment)
        assert first.verdict is None and first.assignment == assignment
        workspace.matches.judge(ANN, assignment, ANSWERS)
        assert elsewhere.matches.open(ANN, assignment).sides == first.sides


def test_a_form_is_kept_until_it_is_handed_in(workspace: Workspace, elsewhere: Workspace) -> None:
    train(workspace.store, ANN, BO)
    match = import_match(workspace)
    mine = assign(workspace.store, ANN, match, "match")
    assert workspace.matches.open(ANN, mine).version == 0
    filled = {"overall": "A", "reason": "A 更会听"}
    version = workspace.matches.keep(ANN, mine, 0, filled)
    there = elsewhere.matches.open(ANN, mine)
    assert (there.draft, there.version, there.verdict) == (filled, version, None)
    assert [item.state for item in workspace.assignments.items(ANN)] == ["begun"]
    # Sent again as its answer was lost; then by a page that shows an older one.
    assert elsewhere.matches.keep(ANN, mine, 0, filled) == version
    for who, shown, code in ((ANN, 0, "overtaken"), (BO, version, "no_work")):
        with pytest.raises(Refused) as caught:
            elsewhere.matches.keep(who, mine, shown, {"reason": "另一句"})
        assert caught.value.code == code
    workspace.matches.judge(ANN, mine, ANSWERS)
    assert workspace.matches.open(ANN, mine).draft == {}
    assert workspace.drafts.keys(ANN.rater) == []
    with pytest.raises(Refused) as caught:
        workspace.matches.keep(ANN, mine, version, filled)
    assert caught.value.code == "judged_already"


@pytest.mark.parametrize("from_battle", [True, False])
def test_a_verdict_is_stored_with_what_stood_on_side_a(
    workspace: Workspace, from_battle: bool
) -> None:
    train(workspace.store, ANN, BO)
    match = one_match(workspace, from_battle=from_battle)
    for who in (ANN, BO):
        assignment = assign(workspace.store, who, match, "match")
        shown = workspace.matches.open(who, assignment).sides["A"]
        workspace.matches.judge(who, assignment, ANSWERS)
        *_, event = workspace.store.events("match_judged")
        told = event.payload
        assert isinstance(told, MatchJudged)
        assert (
            workspace.material.messages(workspace.ledger.now().dialogues[told.a_dialogue]) == shown
        )
        assert (told.match, told.assignment, told.form_version) == (match, assignment, FORM_VERSION)
        assert told.model_dump(include=set(Answers.model_fields)) == ANSWERS.model_dump()
        assert (event.rater, event.role) == (who.rater, "expert")
        assert event.epoch == (EPOCH if from_battle else None)
        assert workspace.matches.open(who, assignment).verdict == ANSWERS


def test_a_verdict_stands_once_and_for_all(workspace: Workspace, elsewhere: Workspace) -> None:
    train(workspace.store, ANN)
    assignment = assign(workspace.store, ANN, import_match(workspace), "match")
    workspace.matches.judge(ANN, assignment, ANSWERS)
    for again in (OTHER, ANSWERS):
        with pytest.raises(Refused) as caught:
            elsewhere.matches.judge(ANN, assignment, again)
        assert caught.value.code == "judged_already"
    assert workspace.matches.open(ANN, assignment).verdict == ANSWERS
    assert len(stored(workspace)) == 1


def test_of_verdicts_at_the_same_moment_one_is_stored(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    train(workspace.store, ANN)
    assignment = assign(workspace.store, ANN, import_match(workspace), "match")
    gate = Barrier(6)

    def press(number: int) -> str:
        device = (workspace, elsewhere)[number % 2]
        gate.wait()
        try:
            device.matches.judge(ANN, assignment, (ANSWERS, OTHER)[number % 2])
        except Refused as refused:
            return refused.code
        return "stored"

    with ThreadPoolExecutor(6) as pool:
        outcomes = Counter(pool.map(press, range(6)))
    assert outcomes == {"stored": 1, "judged_already": 5}
    assert len(stored(workspace)) == 1


def test_a_view_tells_nothing_of_what_the_dialogues_are_before_or_after(
    workspace: Workspace,
) -> None:
    """Not even once the epoch is closed: the next match of the same systems must stay blind."""
    train(workspace.store, ANN)
    battle = append_battle(workspace.store)
    workspace.material.draw_battles()
    import_match(workspace)
    books = workspace.ledger.now()
    hidden = {*books.dialogues, *books.matches, battle, EPOCH, "base", "tuned", "quokka", "wombat"}
    works = [assign(workspace.store, ANN, match, "match") for match in books.matches]
    for step in ("before", "after", "closed"):
        for assignment in works:
            told = list(texts_in(workspace.matches.open(ANN, assignment)))
            assert not [(text, one) for text in told for one in hidden if one in text], step
            if step == "before":
                workspace.matches.judge(ANN, assignment, ANSWERS)
        if step == "after":
            close_epoch(workspace.store)


def test_only_their_own_match_is_given_to_a_trained_rater(workspace: Workspace) -> None:
    train(workspace.store, BO)
    match = import_match(workspace)
    theirs, mine = (assign(workspace.store, who, match, "match") for who in (BO, ANN))
    coding = assign(workspace.store, BO, import_alone(workspace, "one")[0])
    assert refused_with(workspace, ANN, theirs) == {"no_work"}
    assert refused_with(workspace, ANN, mine) == {"not_trained"}
    for assignment in (coding, mine, match, ""):
        assert refused_with(workspace, BO, assignment) == {"no_work"}
    assert stored(workspace) == []


def test_a_match_that_came_to_have_three_dialogues_is_not_judged(workspace: Workspace) -> None:
    """As a store may hold it; neither imports nor draws make one."""
    train(workspace.store, BO)
    match = import_match(workspace)
    assignment = assign(workspace.store, BO, match, "match")
    add_third(workspace.store)
    assert len(workspace.ledger.now().matches[match]) == 3
    assert refused_with(workspace, BO, assignment) == {"no_work"}
    assert stored(workspace) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [(None, None), ("", None), (" \n", None), ("  好\u200b听\r\n\t多了 ", "好听\n 多了")],
)
def test_the_reason_is_stored_as_clean_text(
    workspace: Workspace, given: str | None, kept: str | None
) -> None:
    train(workspace.store, ANN)
    assignment = assign(workspace.store, ANN, import_match(workspace), "match")
    workspace.matches.judge(ANN, assignment, ANSWERS.model_copy(update={"reason": given}))
    assert [one.reason for one in stored(workspace)] == [kept]


@pytest.mark.parametrize(
    ("reason", "code"),
    [("\u200b", "nothing_readable"), ("长" * (REASON_LIMIT + 1), "too_long")],
)
def test_a_reason_that_cannot_be_taken_stores_nothing(
    workspace: Workspace, reason: str, code: str
) -> None:
    train(workspace.store, ANN)
    assignment = assign(workspace.store, ANN, import_match(workspace), "match")
    with pytest.raises(Refused) as caught:
        workspace.matches.judge(ANN, assignment, ANSWERS.model_copy(update={"reason": reason}))
    assert caught.value.code == code and reason not in str(caught.value.values)
    assert stored(workspace) == []
    workspace.matches.judge(ANN, assignment, ANSWERS)
