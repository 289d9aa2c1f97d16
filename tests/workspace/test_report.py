"""From the records to a report: what counts, as what, and what it was made from."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mi_arena.battles.form import Answers
from mi_arena.miti.__main__ import main
from mi_arena.records.battle_events import Overall
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore
from mi_arena.records.workspace_events import DialogueImported, WorkReleased
from mi_arena.study.match_results import VerdictRow
from mi_arena.study.miti_results import miti_results
from mi_arena.workspace.report import coding_rows, report_facts, verdict_rows
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    ANSWERS,
    BO,
    CHIEF,
    EPOCH,
    VISITOR,
    add_third,
    append_battle,
    assign,
    assigned_to,
    close_epoch,
    code_dialogue,
    hand_in,
    import_match,
    one_match,
    tell,
    train,
    withdrawn,
)


def sources(workspace: Workspace) -> Counter[str]:
    return Counter(row.source for row in coding_rows(workspace.ledger.now(), workspace.material))


def verdicts(workspace: Workspace) -> list[VerdictRow]:
    return list(verdict_rows(workspace.ledger.now()))


@pytest.mark.parametrize(
    ("trained", "expected"), [(True, "self_trained"), (False, "self_untrained")]
)
def test_own_codings_before_and_after_the_reveal_are_different_kinds(
    workspace: Workspace, trained: bool, expected: str
) -> None:
    """A visitor is told the arms on judging, an expert when the epoch closes."""
    for token, who in (("of-visitor", VISITOR), ("of-ann", ANN)):
        append_battle(workspace.store, token, who)
        hand_in(workspace, workspace.own.job(who, token, "A"), trained=trained)
    assert sources(workspace) == {expected: 1, f"{expected}_blind": 1}
    close_epoch(workspace.store)
    job = workspace.own.job(ANN, "of-ann", "A")
    hand_in(workspace, job, "改主意了", trained=trained)
    assert sources(workspace) == {expected: 2}


def test_what_an_admin_coded_of_their_own_counts_nowhere(workspace: Workspace) -> None:
    append_battle(workspace.store, who=CHIEF)
    hand_in(workspace, workspace.own.job(CHIEF, "token-1", "A"))
    assert sources(workspace) == {}


def test_of_two_codings_of_a_dialogue_by_one_rater_one_counts(workspace: Workspace) -> None:
    """The tables refuse two: a report could never be made again."""
    first = assigned_to(workspace, ANN)
    tell(workspace.store, WorkReleased(assignment=first.key), ANN)
    hand_in(workspace, first, "先说的")
    code_dialogue(workspace, ANN, first.source["dialogue"], {(0, 0): "CR"})
    (row,) = coding_rows(workspace.ledger.now(), workspace.material)
    assert (row.rater, row.coding.change_goal) == (ANN.rater, "少抽烟")
    assert miti_results([row]).groups[0].codings == 1


# --- verdicts


@pytest.mark.parametrize("overall", ["A", "B", "tie", "both_unacceptable"])
@pytest.mark.parametrize("from_battle", [True, False])
def test_a_verdict_prefers_the_system_that_stood_on_the_side(
    workspace: Workspace, overall: Overall, from_battle: bool
) -> None:
    train(workspace.store, ANN, BO)
    match = one_match(workspace, from_battle=from_battle)
    books = workspace.ledger.now()
    system_of = {
        workspace.material.messages(books.dialogues[d]): books.dialogues[d].system
        for d in books.matches[match]
    }
    for who in (ANN, BO):
        assignment = assign(workspace.store, who, match, "match")
        shown = workspace.matches.open(who, assignment).sides
        workspace.matches.judge(who, assignment, Answers(overall=overall))
        row = verdicts(workspace)[-1]
        assert (row.match, row.rater, set(row.systems)) == (match, who.rater, {"base", "tuned"})
        pair = ("pair-quokka", EPOCH) if from_battle else ("pair-wombat", None)
        assert (row.pair, row.epoch) == pair
        expected = system_of[shown[overall]] if overall in ("A", "B") else overall
        assert row.preferred == expected
    assert len(verdicts(workspace)) == 2


def test_of_two_verdicts_of_a_rater_on_a_match_the_latest_counts(workspace: Workspace) -> None:
    train(workspace.store, ANN)
    match = import_match(workspace)
    for overall in ("tie", "both_unacceptable"):
        assignment = assign(workspace.store, ANN, match, "match")
        workspace.matches.judge(ANN, assignment, Answers(overall=overall))
        tell(workspace.store, WorkReleased(assignment=assignment), ANN)
    assert [row.preferred for row in verdicts(workspace)] == ["both_unacceptable"]


def test_verdicts_on_what_is_gone_or_has_become_three_do_not_count(workspace: Workspace) -> None:
    train(workspace.store, ANN)
    battle = append_battle(workspace.store)
    workspace.material.draw_battles()
    imported = import_match(workspace)
    for match in workspace.ledger.now().matches:
        workspace.matches.judge(ANN, assign(workspace.store, ANN, match, "match"), ANSWERS)
    assert len(verdicts(workspace)) == 2
    tell(workspace.store, withdrawn(battle), VISITOR, EPOCH)
    assert [row.match for row in verdicts(workspace)] == [imported]
    add_third(workspace.store)
    assert verdicts(workspace) == []


# --- what it was made from, and the command


def test_facts_tell_how_many_events_there_were_and_the_newest(store: EventStore) -> None:
    assert report_facts(store) == ["Made from a record without any event."]
    for hour in (9, 23, 4):
        store.append(
            Event.of(WorkReleased(assignment=str(hour)), role="admin", rater="ann").model_copy(
                update={"created_at": datetime(2026, 3, 1, hour, 5, tzinfo=UTC)}
            )
        )
    assert report_facts(store) == [
        "Made from a record of 3 events, the newest of 2026-03-01 23:05 UTC."
    ]


def test_the_command_writes_codings_verdicts_and_facts(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(workspace.store, ANN, BO)
    match = import_match(workspace)
    for dialogue in workspace.ledger.now().matches[match]:
        code_dialogue(workspace, ANN, dialogue, {(0, 0): "CR"})
    workspace.matches.judge(BO, assign(workspace.store, BO, match, "match"), ANSWERS)
    out = tmp_path / "out"
    assert main(["report", "--data", str(tmp_path), "--out", str(out)]) == 0
    assert str(out / "report.md") in capsys.readouterr().out
    text = (out / "report.md").read_text(encoding="utf-8")
    assert report_facts(workspace.store)[0] in text
    assert "## Expert codings, pair pair-wombat" in text
    assert "| pair-wombat | outside of epochs | tuned | base | 1 | 1 | 1 |" in text


def test_records_that_contradict_themselves_are_said_in_one_line(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two dialogues of one system in one match, as no import makes them."""
    train(workspace.store, ANN)
    match = import_match(workspace)
    first = next(workspace.store.events("dialogue_imported")).payload
    assert isinstance(first, DialogueImported)
    tell(workspace.store, first.model_copy(update={"dialogue": "doubled"}), CHIEF)
    for dialogue in workspace.ledger.now().matches[match]:
        code_dialogue(workspace, ANN, dialogue, {})
    out = tmp_path / "out"
    assert main(["report", "--data", str(tmp_path), "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: the records contradict themselves: match ")
    assert told.err.count("\n") == 1 and told.out == "" and not out.exists()
