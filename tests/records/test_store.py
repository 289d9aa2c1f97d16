import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mi_arena.miti.coding import Coding
from mi_arena.records.battle_events import (
    BattleStarted,
    ClientSaid,
    EpochClosed,
    EpochOpened,
    Judgement,
    Replied,
    Reply,
    Withdrawn,
)
from mi_arena.records.events import Event
from mi_arena.records.payloads import Payload
from mi_arena.records.schema import SCHEMA_VERSION
from mi_arena.records.store import AlreadyStored, EventStore, Unreadable
from mi_arena.records.workspace_events import (
    BattleDrawn,
    CodingSubmitted,
    WorkAssigned,
    WorkReleased,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "data" / "events.sqlite"


@pytest.fixture
def store(path: Path) -> EventStore:
    return EventStore(path)


def event(payload: Payload, rater: str | None = "ann", epoch: str | None = "e") -> Event:
    return Event.of(payload, role="public", epoch=epoch, rater=rater)


def judgement(battle: str = "b", rater: str = "ann") -> Event:
    verdict = Judgement(
        battle=battle, overall="A", rounds=2, ordinal=1, form_version="1", receipt_hash="r"
    )
    return event(verdict, rater)


def said(battle: str = "b", round: int = 1, text: str = "我想戒烟") -> Event:
    return event(ClientSaid(battle=battle, round=round, text=text))


def started(battle: str, index: int, epoch: str = "e") -> Event:
    beginning = BattleStarted(
        battle=battle,
        token_hash="t",
        pair="demo",
        topic="free",
        lang="zh",
        allocation_index=index,
        tuned_side="B",
    )
    return event(beginning, epoch=epoch)


def replied(round: int = 1) -> Event:
    reply = Reply(
        text="", end="stop", tokens=0, prompt_tokens=1, messages_left_out=0, token_seconds=[]
    )
    return event(Replied(battle="b", round=round, sides={"A": reply, "B": reply}, seed=1))


def opened() -> Event:
    beginning = EpochOpened(
        pair="demo", fingerprint="a" * 64, served={}, nonce="00" * 8, seed_commitment="b" * 64
    )
    return event(beginning, rater=None)


def coding(coding: str = "c", revision: int = 1) -> Event:
    return event(
        CodingSubmitted(
            coding=coding,
            revision=revision,
            source="judge",
            dialogue="d",
            trained=False,
            form="quick",
            filled=Coding(counts={"Q": 1}),
        )
    )


def drawn(battle: str, match: str) -> Event:
    return event(BattleDrawn(battle=battle, match=match, dialogues={"A": "a", "B": "b"}))


def assigned(assignment: str) -> Event:
    return event(WorkAssigned(assignment=assignment, task="coding", target="d"))


def withdrawn() -> Event:
    return event(Withdrawn(battle="b", receipt_hash="r"))


def test_what_was_appended_is_there_after_a_restart(path: Path) -> None:
    events = [started("b", 0), said(text="\x00 '); DROP TABLE events; -- 😀"), judgement()]
    for one in events:
        assert EventStore(path).append(one) is one
    assert list(EventStore(path).events()) == events


def test_is_in_wal_mode_with_full_synchronisation_and_a_version(store: EventStore) -> None:
    with store.reading() as connection:
        asked = ("journal_mode", "synchronous", "user_version", "busy_timeout")
        told = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert told == ["wal", 2, SCHEMA_VERSION, 5000]


def test_filters_and_counts(store: EventStore) -> None:
    first, second = started("b1", 0), started("b2", 1)
    verdicts = [judgement("b1", "ann"), judgement("b1", "bob"), judgement("b2", "ann")]
    store.append_all([first, second, *verdicts])
    assert list(store.events("judgement", battle="b1")) == verdicts[:2]
    assert list(store.events(rater="bob")) == [verdicts[1]]
    assert list(store.events(epoch="other")) == []
    assert list(store.events(battle=None, after_seq=3)) == verdicts[1:]
    assert [number for number, _ in store.numbered("judgement")] == [3, 4, 5]
    assert store.count() == 5
    assert store.count("judgement", rater="ann") == 2
    with store.transaction() as transaction:
        assert list(transaction.events("judgement", battle="b1")) == verdicts[:2]
        assert transaction.count(epoch="e") == 5


def test_the_latest_is_the_one_that_happened_last(store: EventStore) -> None:
    early, late = started("b1", 0), started("b2", 1)
    store.append_all([late, judgement("b2"), early])
    assert store.latest("battle_started", rater="ann") == late
    assert store.latest("battle_started", rater="bob") is None
    with store.transaction() as transaction:
        assert transaction.latest("battle_started", battle="b1") == early


def test_reads_many_pages_and_ends_at_what_was_there(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mi_arena.records.store._PAGE", 3)
    events = [said(round=number) for number in range(1, 8)]
    store.append_all(events)
    reading = store.events()
    assert next(reading) == events[0]
    store.append(said(round=99))
    assert list(reading) == events[1:]
    with store.transaction() as transaction:
        assert len(list(transaction.events())) == 8


@pytest.mark.parametrize(
    ("once", "again", "another"),
    [
        (judgement(), judgement(), judgement(rater="bob")),
        (said(), said(text="?"), said(round=2)),
        (replied(), replied(), replied(2)),
        (started("b", 0), started("b", 1), started("b2", 1)),
        (withdrawn(), withdrawn(), judgement()),
        (opened(), opened(), event(EpochClosed(reason="admin"))),
        (said(), None, replied()),
        (coding(), coding(), coding(revision=2)),
        (drawn("b", "1"), drawn("b", "2"), drawn("b2", "1")),
        (assigned("w"), assigned("w"), event(WorkReleased(assignment="w"))),
    ],
)
def test_what_may_be_there_once(
    store: EventStore, once: Event, again: Event | None, another: Event
) -> None:
    store.append(once)
    with pytest.raises(AlreadyStored) as caught:
        store.append(again or once)
    assert "\n" not in str(caught.value) and once.kind in str(caught.value)
    store.append(another)
    assert list(store.events()) == [once, another]


def test_all_or_nothing(store: EventStore) -> None:
    store.append(judgement())
    with pytest.raises(AlreadyStored):
        store.append_all([said(), judgement()])
    with pytest.raises(ZeroDivisionError), store.transaction() as transaction:
        transaction.append(said())
        raise ZeroDivisionError
    assert store.count() == 1


def test_a_refused_event_does_not_end_the_transaction(store: EventStore) -> None:
    store.append(judgement())
    with store.transaction() as transaction:
        with pytest.raises(AlreadyStored):
            transaction.append(judgement())
        transaction.append(said())
    assert store.count() == 2


def test_nobody_writes_between_look_and_append(path: Path) -> None:
    """Threads with stores of their own, as processes have: each takes the next free index."""

    def take(store: EventStore, name: str) -> None:
        for number in range(10):
            with store.transaction() as transaction:
                index = transaction.next_allocation("e")
                transaction.append(started(f"{name}-{number}", index))

    EventStore(path)
    workers = [
        threading.Thread(target=take, args=(EventStore(path, 30), f"w{n}")) for n in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    indices = [one.payload.allocation_index for one in EventStore(path).events()]  # type: ignore[attr-defined]
    assert indices == list(range(40))


def test_allocation_goes_on_after_the_greatest_index(store: EventStore) -> None:
    def following(epoch: str) -> int:
        with store.transaction() as transaction:
            return transaction.next_allocation(epoch)

    assert following("e") == 0
    store.append_all([started("b1", 0), started("b2", 1), started("b3", 1), started("b4", 2)])
    assert (following("e"), following("another")) == (3, 0)


def test_of_many_threads_with_the_same_judgement_one_is_stored(store: EventStore) -> None:
    gate, outcomes = threading.Barrier(24), Counter[str]()

    def press() -> None:
        gate.wait()
        try:
            store.append(judgement())
            outcomes["stored"] += 1
        except AlreadyStored:
            outcomes["refused"] += 1

    threads = [threading.Thread(target=press) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"stored": 1, "refused": 23}
    assert store.count("judgement") == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET payload = '{}'",
        "UPDATE events SET rater = 'bob' WHERE seq = 1",
        "DELETE FROM events",
    ],
)
def test_nothing_is_changed_or_deleted(store: EventStore, path: Path, change: str) -> None:
    """Not even by somebody who opens the file without this code."""
    store.append(judgement())
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.Error, match="append-only"):
        connection.execute(change)
    assert store.count("judgement", rater="ann") == 1


def test_nothing_is_replaced(store: EventStore) -> None:
    one = store.append(judgement())
    with pytest.raises(Unreadable), store.reading() as connection:
        connection.exec_driver_sql(
            "INSERT OR REPLACE INTO events (event_id, kind, created_at, role, payload) "
            "VALUES (?, 'judgement', '', 'public', '{}')",
            (one.event_id,),
        )
    assert list(store.events()) == [one]


def test_a_newer_schema_is_refused_in_one_line(store: EventStore, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(Unreadable, match="newer MI Arena") as caught:
        EventStore(path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def of_schema_1(tmp_path: Path) -> Path:
    """A store as the first MI Arena left it: a consent, a battle, a judgement."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.executescript(Path(__file__).with_name("schema_1.sql").read_text())
    return path


def test_an_older_store_is_brought_up_to_date_with_all_its_events(
    of_schema_1: Path, path: Path
) -> None:
    before = list(EventStore(of_schema_1, read_only=True).events())
    assert [one.kind for one in before] == ["consent_given", "battle_started", "judgement"]
    store = EventStore(of_schema_1)
    assert list(store.events()) == before
    handed_in = coding()
    assert store.append(handed_in) == handed_in
    with pytest.raises(AlreadyStored):
        store.append(coding())
    with pytest.raises(AlreadyStored):
        store.append(judgement("b", "ann"))
    assert schema(of_schema_1) == schema(EventStore(path).path)
    assert list(EventStore(of_schema_1).events()) == [*before, handed_in]


def test_a_store_of_schema_2_takes_in_what_it_had_kept_out(path: Path) -> None:
    """Another copy's battle that had the allocation index of one of its own."""
    EventStore(path).append(started("b1", 0))
    fresh = schema(path)
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP INDEX battles_by_allocation; PRAGMA user_version = 2;"
            "CREATE UNIQUE INDEX one_allocation ON events (epoch, allocation_index) "
            "WHERE kind = 'battle_started'"
        )
    store = EventStore(path)
    assert store.put_back([started("b2", 0)]) == 1 and schema(path) == fresh


def schema(path: Path) -> set[str]:
    """All tables, columns, indexes and triggers, but for how they are broken into lines."""
    with sqlite3.connect(path) as connection:
        told = connection.execute("SELECT name, sql FROM sqlite_master WHERE type != 'table'")
        columns = connection.execute("SELECT name, type FROM pragma_table_info('events')")
        version = connection.execute("PRAGMA user_version")
        return {" ".join(str(row).split()) for query in (told, columns, version) for row in query}


def test_a_row_that_is_no_event_is_named(store: EventStore) -> None:
    with store._writer.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events (event_id, kind, created_at, role, payload) VALUES "
            "('x', 'withdrawn', '2026-01-01T00:00:00+00:00', 'public', 'secret')"
        )
    with pytest.raises(Unreadable, match="event 1 cannot be read") as caught:
        list(store.events())
    assert "secret" not in str(caught.value)


def test_processes_that_start_together_make_one_store(path: Path) -> None:
    code = (
        "import sys; from mi_arena.records.store import EventStore; sys.stdin.readline();"
        "print(EventStore(sys.argv[1]).count())"
    )
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], **options) for _ in range(3)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60)[0] for child in children] == ["0\n"] * 3
