"""Unfinished work that must survive a reload: one text per key, each change a version of its own.

A draft is no record: it is replaced as it grows and never leaves this machine. Whoever uses it
says when it is done with. Nothing here knows what the text means; errors are one line and never
repeat it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mi_arena.records.owner_only import owner_only
from mi_arena.records.store import NotStored, Unreadable, cause_of

DRAFTS_NAME = "drafts.sqlite"
"""The file's name inside the data directory (``MI_ARENA_DATA``)."""
BUSY_SECONDS = 5.0

_TABLE = """
CREATE TABLE IF NOT EXISTS drafts (
    owner TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID
"""


class Draft(NamedTuple):
    """The text as it was last saved."""

    version: int
    body: str


class Overtaken(NotStored):
    """Somebody (another tab, another device) saved a newer version; nothing was changed."""


class Drafts:
    """Drafts by owner and key. Any number of threads and processes may share the file."""

    def __init__(self, path: Path, busy_timeout: float = BUSY_SECONDS):
        """Opens or makes the file. Raises ``Unreadable``."""
        self.path = path
        self._busy_timeout = busy_timeout
        self._lock = threading.Lock()
        with self._failing_as_unreadable():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=busy_timeout, check_same_thread=False, isolation_level=None
            )
            owner_only(path)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(_TABLE)

    def get(self, owner: str, key: str) -> Draft | None:
        """The draft as it is on the disk, or ``None``. Raises ``Unreadable``."""
        with self._failing_as_unreadable(), self._lock:
            row = self._connection.execute(
                "SELECT version, body FROM drafts WHERE owner = ? AND key = ?", (owner, key)
            ).fetchone()
        return None if row is None else Draft(*row)

    def put(self, owner: str, key: str, draft: Draft, *, replaces: int | None) -> None:
        """Save a draft; it is on the disk when this returns.

        ``replaces`` is the version that it was made from, ``None`` for a first one. Raises
        ``Overtaken`` when that is not the version on the disk, ``NotStored`` when it can't be
        saved.
        """
        given = (draft.version, draft.body, owner, key)
        with self._failing_as_not_stored(), self._lock:
            if replaces is None:
                done = self._connection.execute(
                    "INSERT INTO drafts (version, body, owner, key) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO NOTHING",
                    given,
                )
            else:
                done = self._connection.execute(
                    "UPDATE drafts SET version = ?, body = ? "
                    "WHERE owner = ? AND key = ? AND version = ?",
                    (*given, replaces),
                )
        if done.rowcount != 1:
            raise Overtaken("not saved: a newer draft was saved elsewhere")

    def drop(self, owner: str, key: str) -> None:
        """Forget a draft, if there is one. Raises ``NotStored``."""
        with self._failing_as_not_stored(), self._lock:
            self._connection.execute("DELETE FROM drafts WHERE owner = ? AND key = ?", (owner, key))

    def keys(self, owner: str) -> list[str]:
        """The keys of an owner's drafts, sorted. Raises ``Unreadable``."""
        with self._failing_as_unreadable(), self._lock:
            rows = self._connection.execute(
                "SELECT key FROM drafts WHERE owner = ? ORDER BY key", (owner,)
            ).fetchall()
        return [key for (key,) in rows]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _failing_as_unreadable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise Unreadable(f"the drafts {self.path} cannot be read: {cause_of(error)}") from None

    @contextmanager
    def _failing_as_not_stored(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise NotStored(f"the draft was not saved: {cause_of(error)}") from None
