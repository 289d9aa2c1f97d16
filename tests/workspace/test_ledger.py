"""The books: what is withdrawn is gone from them, others' events are seen, a moment stays."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from mi_arena.records.payloads import Payload
from mi_arena.records.store import EventStore
from mi_arena.records.workspace_events import (
    BattleDrawn,
    PracticeBarSet,
    PracticeDone,
    RaterLeft,
    WorkReleased,
)
from mi_arena.workspace.ledger import Books, Ledger
from mi_arena.workspace.report import coding_rows
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    ANSWERS,
    BO,
    CHIEF,
    EPOCH,
    VISITOR,
    append_battle,
    assign,
    assigned_to,
    flagged,
    hand_in,
    import_alone,
    import_match,
    jsonl,
    line,
    open_workspace,
    tell,
    train,
    withdrawn,
)


def judge_and_code(workspace: Workspace, match: str) -> None:
    """One expert codes both dialogues, another judges the match; each is done."""
    for dialogue in workspace.ledger.now().matches[match]:
        job = workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue))
        hand_in(workspace, job)
    workspace.matches.judge(BO, assign(workspace.store, BO, match, "match"), ANSWERS)


def study(workspace: Workspace) -> str:
    """A battle and an imported match, all rated, the battle also by its own rater; its id."""
    train(workspace.store, ANN, BO)
    battle = append_battle(workspace.store)
    workspace.material.draw_battles()
    hand_in(workspace, workspace.own.job(VISITOR, "token-1", "A"))
    import_match(workspace)
    for match in workspace.ledger.now().matches:
        judge_and_code(workspace, match)
    return battle


def counted(books: Books) -> dict[str, int]:
    return {
        name: len(getattr(books, name))
        for name in ("dialogues", "matches", "assignments", "codings", "verdicts")
    }


@pytest.mark.parametrize("ended", [withdrawn, flagged])
def test_all_that_hangs_on_a_battle_is_gone_with_it(
    workspace: Workspace, ended: Callable[[str], Payload]
) -> None:
    battle = study(workspace)
    before = workspace.ledger.now()
    assert counted(before) == {
        "dialogues": 4, "matches": 2, "assignments": 6, "codings": 5, "verdicts": 2
    }  # fmt: skip
    tell(workspace.store, ended(battle), VISITOR, EPOCH)
    after = workspace.ledger.now()
    assert counted(after) == {
        "dialogues": 2, "matches": 1, "assignments": 3, "codings": 2, "verdicts": 1
    }  # fmt: skip
    assert {material.battle for material in after.dialogues.values()} == {None}
    known = {*after.dialogues, *after.matches}
    assert {work.target for work in after.assignments.values()} == known
    assert {judged.match for judged, _ in after.verdicts.values()} == set(after.matches)
    assert {one.told.dialogue for one in after.latest()} == set(after.dialogues)
    assert after.practice == before.practice and after.bar == before.bar


def test_all_that_hangs_on_a_battle_whose_beginning_was_lost_is_left_out(
    workspace: Workspace, tmp_path: Path
) -> None:
    """As when somebody removed a shard of the dataset, and the disk was lost."""
    battle = study(workspace)
    append_battle(workspace.store, "never drawn")
    hand_in(workspace, workspace.own.job(VISITOR, "never drawn", "A"))
    kept = (e for e in workspace.store.events() if e.kind != "battle_started")
    damaged = open_workspace(tmp_path / "damaged")
    damaged.store.put_back(kept)
    assert damaged.material.draw_battles() == 0
    found = damaged.ledger.now()
    assert counted(found) == {
        "dialogues": 2, "matches": 1, "assignments": 3, "codings": 3, "verdicts": 1
    }  # fmt: skip
    assert battle not in {material.battle for material in found.dialogues.values()}
    assert len(list(coding_rows(found, damaged.material))) == 2
    damaged.close()


@pytest.mark.parametrize("ended", [withdrawn, flagged])
def test_a_coding_by_the_battles_own_rater_goes_too_where_the_battle_was_never_drawn(
    workspace: Workspace, ended: Callable[[str], Payload]
) -> None:
    battle = append_battle(workspace.store)
    append_battle(workspace.store, "token-2")
    for token in ("token-1", "token-2"):
        hand_in(workspace, workspace.own.job(VISITOR, token, "B"))
    assert len(workspace.ledger.now().codings) == 2
    tell(workspace.store, ended(battle), VISITOR, EPOCH)
    (left,) = workspace.ledger.now().latest()
    assert left.told.battle not in (None, battle)


def test_a_battle_that_is_drawn_after_it_was_withdrawn_never_appears(workspace: Workspace) -> None:
    """As when its rater takes it back while an admin draws."""
    battle = append_battle(workspace.store)
    tell(workspace.store, withdrawn(battle), VISITOR, EPOCH)
    drawn = BattleDrawn(battle=battle, match="m", dialogues={"A": "a", "B": "b"})
    tell(workspace.store, drawn, CHIEF, EPOCH)
    assert workspace.ledger.now() == Books()


def test_which_arm_stood_on_which_side_is_known_to_the_books(workspace: Workspace) -> None:
    append_battle(workspace.store, tuned_side="B")
    workspace.material.draw_battles()
    told = {
        (one.side, one.system, one.pair, one.epoch)
        for one in workspace.ledger.now().dialogues.values()
    }
    assert told == {
        ("A", "base", "pair-quokka", EPOCH),
        ("B", "tuned", "pair-quokka", EPOCH),
    }


def test_what_another_process_stores_is_in_the_next_books(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    assert elsewhere.ledger.now() == workspace.ledger.now() == Books()
    train(workspace.store, ANN)
    (dialogue,) = import_alone(elsewhere, "one")
    job = workspace.assignments.job(ANN, assign(elsewhere.store, ANN, dialogue))
    hand_in(elsewhere, job)
    assert workspace.desks.open(job).revision == 1
    assert workspace.ledger.now() == elsewhere.ledger.now() != Books()


def test_books_that_were_handed_out_stay_as_they_were(workspace: Workspace) -> None:
    battle = study(workspace)
    books = workspace.ledger.now()
    then = deepcopy(books)
    left = assign(workspace.store, BO, import_alone(workspace, "late")[0])
    tell(workspace.store, WorkReleased(assignment=left), BO)
    append_battle(workspace.store, "token-2")
    workspace.material.draw_battles()
    for assignment in [a.id for a in then.assignments.values() if a.task == "coding"]:
        hand_in(workspace, workspace.assignments.job(ANN, assignment), goal="不再抽烟")
    filled = next(iter(then.practice[ANN.rater].values()))
    tell(workspace.store, PracticeDone(vignette="another", filled=filled), ANN)
    tell(workspace.store, PracticeBarSet(share=0.1, globals_within=4, vignettes=1), CHIEF)
    tell(workspace.store, RaterLeft(), BO)
    tell(workspace.store, withdrawn(battle), VISITOR, EPOCH)
    now = workspace.ledger.now()
    assert books == then
    for name in (*counted(then), "practice", "bar", "left"):
        assert getattr(now, name) != getattr(then, name), name


def test_books_kept_up_event_by_event_are_those_read_at_once(
    workspace: Workspace, store: EventStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    battle = study(workspace)
    left = assign(store, BO, import_alone(workspace, "late")[0])
    tell(store, WorkReleased(assignment=left), BO)
    tell(store, RaterLeft(), BO)
    tell(store, withdrawn(battle), VISITOR, EPOCH)
    copy = EventStore(tmp_path_factory.mktemp("copy") / "events.sqlite")
    slowly = Ledger(copy)
    for event in store.events():
        copy.append(event)
        assert slowly.now() == Ledger(copy).now()
    assert slowly.now() == workspace.ledger.now()
    copy.close()


def test_nothing_new_is_the_same_object(workspace: Workspace) -> None:
    books = workspace.ledger.now()
    append_battle(workspace.store)  # none of its events concerns the workspace
    assert workspace.ledger.now() is books


def test_released_work_is_gone_and_what_was_handed_in_stays(workspace: Workspace) -> None:
    train(workspace.store, ANN)
    (dialogue,) = import_alone(workspace, "one")
    done, open_ = (assign(workspace.store, ANN, dialogue) for _ in range(2))
    hand_in(workspace, workspace.assignments.job(ANN, done))
    books = workspace.ledger.now()
    assert [books.done(books.assignments[one]) for one in (done, open_)] == [True, False]
    for assignment in (done, open_):
        tell(workspace.store, WorkReleased(assignment=assignment), ANN)
    books = workspace.ledger.now()
    assert books.assignments == {} and list(books.codings) == [done]


def test_of_two_codings_of_a_dialogue_by_one_rater_the_latest_counts(workspace: Workspace) -> None:
    """The first was handed in as it was given to somebody else."""
    train(workspace.store, ANN, BO)
    (dialogue,) = import_alone(workspace, "one")
    of_ann = [
        workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue)) for _ in range(2)
    ]
    of_bo = workspace.assignments.job(BO, assign(workspace.store, BO, dialogue))
    hand_in(workspace, of_ann[0], "第一次")
    hand_in(workspace, of_bo)
    hand_in(workspace, of_ann[1], "第二次")
    told = [(one.rater, one.told.filled.change_goal) for one in workspace.ledger.now().latest()]
    assert told == [(ANN.rater, "第二次"), (BO.rater, "少抽烟")]
    hand_in(workspace, of_ann[0], "第三次")
    told = [(one.rater, one.told.filled.change_goal) for one in workspace.ledger.now().latest()]
    assert told == [(ANN.rater, "第三次"), (BO.rater, "少抽烟")]


@pytest.mark.parametrize("systems", [["base"], ["base", "tuned"], ["base", "tuned", "reference"]])
def test_a_match_has_opponents_only_when_it_has_two(
    workspace: Workspace, systems: list[str]
) -> None:
    lines = [line(system, system=system, match_id="m") for system in systems]
    workspace.material.import_dialogues(jsonl(lines), "in.jsonl")
    books = workspace.ledger.now()
    ((match, dialogues),) = books.matches.items()
    assert len(dialogues) == len(systems)
    assert books.opponents(match) == (dialogues if len(systems) == 2 else None)
    assert books.opponents("unknown") is None


def test_every_revision_is_kept_and_the_latest_counts(workspace: Workspace) -> None:
    job = assigned_to(workspace, ANN)
    for goal in ("少抽", "不抽"):
        hand_in(workspace, job, goal)
    books = workspace.ledger.now()
    assert [one.told.filled.change_goal for one in books.codings[job.coding]] == ["少抽", "不抽"]
    (latest,) = books.latest()
    assert (latest.told.revision, latest.rater, latest.role) == (2, ANN.rater, "expert")
    *_, stored = workspace.store.events("coding_submitted")
    assert latest.at == stored.created_at
