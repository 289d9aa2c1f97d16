"""What goes wrong around a store: nothing is half stored, and the error is one line."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event as engine_event

from mi_arena.records.battle_events import ClientSaid
from mi_arena.records.events import Event
from mi_arena.records.store import AlreadyStored, EventStore, NotStored, StoreError, Unreadable

SECRET = "我想戒烟"


def said(round: int = 1, text: str = SECRET) -> Event:
    line = ClientSaid(battle="b", round=round, text=text)
    return Event.of(line, role="public", epoch="e", rater="ann")


def set_on_connect(store: EventStore, pragma: str) -> None:
    """Every connection from now on has this set: a fault that SQLite itself then reports."""
    engine_event.listen(
        store._engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}")
    )
    store.close()


def assert_one_line(error: BaseException, reason: str) -> None:
    assert reason in str(error)
    assert "\n" not in str(error) and SECRET not in str(error)


def test_disk_full_stores_nothing_and_recovers(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite")
    store.append(said())
    pages = int((tmp_path / "events.sqlite").stat().st_size / 4096) + 60
    set_on_connect(store, f"max_page_count = {pages}")
    acknowledged = 1
    with pytest.raises(NotStored) as caught:
        for number in range(2, 1_000):
            store.append(said(number, SECRET * 2_000))
            acknowledged += 1
    assert not isinstance(caught.value, AlreadyStored)
    assert_one_line(caught.value, "the disk is full")
    with pytest.raises(NotStored):
        store.append_all([said(2_000, ""), said(2_001, SECRET * 2_000)])
    assert store.count() == acknowledged
    freed = EventStore(tmp_path / "events.sqlite")
    freed.append(said(3_000))
    assert freed.count() == acknowledged + 1


def test_locked_by_another_process(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite", busy_timeout=0.1)
    other = sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotStored) as caught:
        store.append(said())
    assert_one_line(caught.value, "locked")
    assert store.count() == 0
    other.execute("ROLLBACK")
    store.append(said())
    assert store.count() == 1
    other.close()


def test_a_transaction_inside_a_transaction_does_not_wait_for_ever(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite", busy_timeout=0.1)
    with store.transaction() as transaction:
        transaction.append(said())
        with pytest.raises(NotStored, match="busy"):
            store.append(said(2))
    assert store.count() == 1


def test_a_connection_that_may_only_read(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite")
    set_on_connect(store, "query_only = ON")
    with pytest.raises(NotStored) as caught:
        store.append(said())
    assert_one_line(caught.value, "read-only")
    assert store.count() == 0


def test_opened_for_reading_only(tmp_path: Path) -> None:
    EventStore(tmp_path / "events.sqlite").append(said())
    reader = EventStore(tmp_path / "events.sqlite", read_only=True)
    assert reader.count() == 1
    with pytest.raises(NotStored) as caught:
        reader.append(said(2))
    assert_one_line(caught.value, "read-only")


def test_opened_for_reading_only_a_missing_store_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        EventStore(tmp_path / "data" / "events.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder of an ordinary user, and this process as that user: chmod does not stop root."""
    if os.geteuid() != 0:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o777)
    try:
        os.seteuid(65534)
    except OSError:
        shutil.rmtree(folder)
        pytest.skip("this root may not become another user")
    try:
        yield Path(folder)
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


def test_a_read_only_file() -> None:
    with as_nobody() as folder:
        first = EventStore(folder / "events.sqlite")
        first.append(said())
        first.close()
        (folder / "events.sqlite").chmod(0o444)
        store = EventStore(folder / "events.sqlite")
        with pytest.raises(NotStored) as caught:
            store.append(said(2))
        assert_one_line(caught.value, "read-only")
        assert store.count() == 1
        store.close()


def test_a_read_only_folder() -> None:
    with as_nobody() as folder:
        locked = folder / "locked"
        locked.mkdir(mode=0o555)
        with pytest.raises(StoreError) as caught:
            EventStore(locked / "data" / "events.sqlite")
        assert_one_line(caught.value, "cannot be opened")


@pytest.mark.parametrize("content", [b"", b"not a database, " * 100])
def test_a_file_that_is_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "events.sqlite").write_bytes(content)
    with pytest.raises(Unreadable) as caught:
        EventStore(tmp_path / "events.sqlite", read_only=True)
    assert "\n" not in str(caught.value)
    if content:
        with pytest.raises(Unreadable, match="not a database"):
            EventStore(tmp_path / "events.sqlite")


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        EventStore(tmp_path)
