"""Which event stands in which shard of the private dataset, as far as this machine knows.

A cache: a shard never changes, so what was read of it once stays true under its path and the
name of its content. Deleted or damaged, it is made anew from the dataset. Beside it stand notes for
whoever asks from another process how publishing goes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mi_arena.records.owner_only import owner_only
from mi_arena.records.store import NotStored, Unreadable, cause_of

INDEX_NAME = "published.sqlite"
"""The file's name inside the data directory (``MI_ARENA_DATA``)."""
BUSY_SECONDS = 5.0

_TABLES = """
CREATE TABLE IF NOT EXISTS shards (path TEXT PRIMARY KEY, blob TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    event_id TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (event_id, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_by_path ON held (path);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_SOME = 500
"""Values in one statement."""
_MANY = 10_000
"""From here on all are read at once rather than asked for."""


class ShardIndex:
    """Any number of threads may use it. Raises ``Unreadable`` and ``NotStored``."""

    def __init__(self, path: Path, *, read_only: bool = False):
        """With ``read_only`` the file must be there; else a damaged one is replaced."""
        self.path = path
        self._lock = threading.Lock()
        try:
            self._connection = self._opened(read_only)
        except sqlite3.DatabaseError as error:
            if read_only or isinstance(error, sqlite3.OperationalError):
                raise Unreadable(f"{path} cannot be opened: {cause_of(error)}") from None
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._connection = self._opened(read_only)

    def known(self) -> dict[str, str]:
        """Path to the name of the content, of every shard that was read or written here."""
        return dict(self._rows("SELECT path, blob FROM shards"))

    def ids(self) -> set[str]:
        """Of all events that stand in a shard."""
        return {event_id for (event_id,) in self._rows("SELECT event_id FROM held")}

    def lines(self) -> int:
        """Lines of all shards: more than ids where an event stands in two."""
        ((count,),) = self._rows("SELECT COUNT(*) FROM held")
        return int(count)

    def missing(self, ids: Collection[str]) -> list[str]:
        """Those of the ids that stand in no shard, in their order."""
        held = self.ids() if len(ids) > _MANY else {id_ for id_, _ in self._where(ids)}
        return [id_ for id_ in ids if id_ not in held]

    def paths_of(self, ids: Collection[str]) -> set[str]:
        """The shards in which these events stand."""
        return {path for _, path in self._where(ids)}

    def add(self, shards: Mapping[str, tuple[str, Collection[str]]]) -> None:
        """By path: the name of a shard's content, and the ids of its events. All or none."""
        with self._writing() as connection:
            for path, (blob, ids) in shards.items():
                self._forget(connection, path)
                connection.execute("INSERT INTO shards VALUES (?, ?)", (path, blob))
                connection.executemany(
                    "INSERT OR IGNORE INTO held VALUES (?, ?)", ((id_, path) for id_ in ids)
                )

    def keep_only(self, there: Mapping[str, str]) -> None:
        """Forget every shard that is not there with the same content."""
        gone = [path for path, blob in self.known().items() if there.get(path) != blob]
        if gone:
            with self._writing() as connection:
                for path in gone:
                    self._forget(connection, path)

    def note(self, name: str, value: object) -> None:
        """Leave something for other processes to read."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value))
            )

    def notes(self) -> dict[str, Any]:
        """What was noted last under each name."""
        rows = self._rows("SELECT name, value FROM notes")
        return {name: json.loads(value) for name, value in rows}

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _opened(self, read_only: bool) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        address = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        try:
            if not read_only:
                owner_only(self.path)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_TABLES)
            connection.execute("SELECT path FROM shards LIMIT 1")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @staticmethod
    def _forget(connection: sqlite3.Connection, path: str) -> None:
        connection.execute("DELETE FROM held WHERE path = ?", (path,))
        connection.execute("DELETE FROM shards WHERE path = ?", (path,))

    def _where(self, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        wanted = list(ids)
        for start in range(0, len(wanted), _SOME):
            some = wanted[start : start + _SOME]
            marks = ",".join("?" * len(some))
            yield from self._rows(
                f"SELECT event_id, path FROM held WHERE event_id IN ({marks})", some
            )

    def _rows(self, query: str, values: Collection[object] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise Unreadable(f"{self.path} cannot be read: {cause_of(error)}") from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise NotStored(f"{self.path} cannot be written: {cause_of(error)}") from None
