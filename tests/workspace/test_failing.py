"""What goes wrong around the files: the page is told so, nothing is half done, nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import event as engine_event

from mi_arena.access.identity import Identities
from mi_arena.battles.refusal import Refused
from mi_arena.dialogue import Message
from mi_arena.records.battle_events import ClientSaid
from mi_arena.records.events import Event
from mi_arena.records.review_events import MOST
from mi_arena.records.store import EventStore, NotStored
from mi_arena.workspace.desk import Job
from mi_arena.workspace.review_material import Offered
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    ANSWERS,
    BO,
    CHIEF,
    append_battle,
    assign,
    change,
    code_dialogue,
    import_alone,
    import_gold,
    import_match,
    invited,
    jsonl,
    judged,
    line,
    train,
)

OFFERED = [Offered("D001", (Message(role="client", content="我睡不着"),))]
FILE = jsonl(line(f"new{number}", topic="很长" * 90) for number in range(200))


@dataclass(frozen=True)
class Study:
    """Work that is begun and only needs storing."""

    workspace: Workspace
    coding: Job
    final: Job
    match: str
    leaver: str
    review: tuple[str, str]
    """A review set and an item of it."""
    gold: str
    """An import for which an admin allows suggestions."""

    @property
    def jobs(self) -> tuple[Job, Job, Job]:
        return self.coding, self.final, self.workspace.practice.job(ANN, 3)

    def version(self, job: Job) -> int:
        return self.workspace.desks.open(job).sheet.version


@pytest.fixture
def study(workspace: Workspace, identities: Identities) -> Study:
    train(workspace.store, ANN, BO)
    append_battle(workspace.store)
    dialogue, coded = import_alone(workspace, "one", "two")
    for who in (ANN, BO):
        code_dialogue(workspace, who, coded, {})
    leaver = invited(identities)
    invited(identities)
    assign(workspace.store, leaver, coded)
    assert leaver.member is not None
    coding = assign(workspace.store, ANN, dialogue)
    review = workspace.reviews.send("run-1", "rating", OFFERED, 2)
    gold, _ = import_gold(workspace, "gold")
    workspace.suggestions.allow(gold, True)
    made = Study(
        workspace,
        workspace.assignments.job(ANN, coding),
        workspace.adjudication.job(CHIEF, coded),
        assign(workspace.store, ANN, import_match(workspace), "match"),
        leaver.member,
        (review, workspace.reviews.next(ANN, review) or ""),
        gold,
    )
    for job in made.jobs:
        change(workspace, job, do="goal", text="少抽烟")
    return made


# --- the record store


def read_only(store: EventStore) -> AbstractContextManager[None]:
    return set_on_connect(store, "query_only = ON")


@contextmanager
def full(store: EventStore) -> Iterator[None]:
    """No room for one more event, be it ever so small."""
    with store.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with set_on_connect(store, f"max_page_count = {pages + 1}"):
        for length in (1_000, 100, 0):
            with pytest.raises(NotStored, match="full"):
                for number in range(10_000):
                    told = ClientSaid(battle=f"{length}", round=number + 1, text="x" * length)
                    store.append(Event.of(told, role="public"))
        yield


@contextmanager
def held_by_another(store: EventStore) -> Iterator[None]:
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with set_on_connect(store, "busy_timeout = 50"):
        yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def set_on_connect(store: EventStore, pragma: str) -> Iterator[None]:
    """Every connection within has this set: a fault that SQLite itself then reports."""

    def set_it(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    engine_event.listen(store._engine, "connect", set_it)
    store.close()
    try:
        yield
    finally:
        engine_event.remove(store._engine, "connect", set_it)
        store.close()


Fault = Callable[[EventStore], AbstractContextManager[None]]
Action = Callable[[Study], object]
ACTIONS: dict[str, Action] = {
    "coding_submitted": lambda study: study.workspace.desks.submit(
        study.coding, study.version(study.coding), sure=True, trained=True
    ),
    "final": lambda study: study.workspace.desks.submit(
        study.final, study.version(study.final), sure=True, trained=False, reason="已讨论"
    ),
    "practice_done": lambda study: study.workspace.practice.submit(
        ANN, 3, study.version(study.jobs[2]), sure=True
    ),
    "practice_bar_set": lambda study: study.workspace.practice.set_bar(0.8, 1, 1),
    "match_judged": lambda study: study.workspace.matches.judge(ANN, study.match, ANSWERS),
    "work_assigned": lambda study: study.workspace.assignments.draw("coding", 1, 0),
    "work_released": lambda study: study.workspace.assignments.drop_out(study.leaver),
    "battle_drawn": lambda study: study.workspace.material.draw_battles(),
    "dialogue_imported": lambda study: study.workspace.material.import_dialogues(FILE, "in.jsonl"),
    "suggestions_allowed": lambda study: study.workspace.suggestions.allow(study.gold, False),
    "coding_suggested": lambda study: study.workspace.suggestions.attach([judged("gold")]),
    "review_set_opened": lambda study: study.workspace.reviews.send("run-2", "rating", OFFERED, 2),
    "review_given": lambda study: study.workspace.reviews.give(
        ANN, study.review[0], study.review[1], 0, dict.fromkeys(MOST, "1")
    ),
    "review_set_closed": lambda study: study.workspace.reviews.close("run-1"),
}


@pytest.mark.parametrize("fault", [read_only, full, held_by_another])
@pytest.mark.parametrize("action", ACTIONS)
def test_what_cannot_be_stored_is_said_and_can_be_done_again(
    study: Study, fault: Fault, action: str
) -> None:
    workspace, act = study.workspace, ACTIONS[action]
    sheets = [workspace.desks.open(job) for job in study.jobs]
    before = workspace.ledger.now()
    with fault(workspace.store):
        stored = workspace.store.count()
        with pytest.raises(Refused) as caught:
            act(study)
        assert (caught.value.code, caught.value.values) == ("not_saved", {})
        assert workspace.store.count() == stored
        assert workspace.ledger.now() is before
        assert [workspace.desks.open(job) for job in study.jobs] == sheets
    act(study)
    assert workspace.ledger.now() != before


def test_of_a_file_that_fills_the_disk_nothing_is_imported(study: Study) -> None:
    """The first dialogues of it would have had room."""
    workspace = study.workspace
    with workspace.store.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    before = workspace.ledger.now()
    with set_on_connect(workspace.store, f"max_page_count = {pages + 20}"):
        with pytest.raises(Refused) as caught:
            workspace.material.import_dialogues(FILE, "in.jsonl")
        assert caught.value.code == "not_saved"
        assert workspace.ledger.now() is before
        first, *_ = FILE.split("\n")
        assert workspace.material.import_dialogues(first, "in.jsonl").new == 1
    assert workspace.material.import_dialogues(FILE, "in.jsonl").new == 199


# --- the drafts


@pytest.mark.parametrize("pragma", ["query_only = ON", "max_page_count = 1"])
def test_a_change_that_cannot_be_saved_is_said_and_the_sheet_stays(
    study: Study, pragma: str
) -> None:
    workspace = study.workspace
    connection = workspace.drafts._connection
    goal = {"do": "goal", "text": "长" * 300}
    for job in study.jobs:
        before = workspace.desks.open(job)
        connection.execute(f"PRAGMA {pragma}")
        with pytest.raises(Refused) as caught:
            for _ in range(1_000):
                change(workspace, job, do="global", key="CCT", value=1)
        assert caught.value.code == "not_saved"
        connection.execute("PRAGMA query_only = OFF")
        connection.execute("PRAGMA max_page_count = 1000000")
        after = workspace.desks.open(job)
        assert after.sheet.change_goal == before.sheet.change_goal
        version = after.sheet.version
        assert workspace.desks.change(job, version, goal)[1].sheet.version == version + 1


def test_a_draft_that_cannot_be_saved_can_still_be_handed_in(study: Study) -> None:
    """Handing in needs the records alone."""
    workspace = study.workspace
    workspace.drafts._connection.execute("PRAGMA query_only = ON")
    desk = workspace.desks.submit(
        study.coding, study.version(study.coding), sure=True, trained=True
    )
    assert (desk.revision, desk.changed) == (1, False)
