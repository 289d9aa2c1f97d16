"""Answers that were paid for, kept in one SQLite file, so that no question is asked twice.

An answer is durable (WAL, synchronous FULL) before anybody sees it. The file holds texts and no
key. One process at a time: a lock beside the file, which a killed process lets go.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from mi_arena.jobs.script import BadInput
from mi_arena.llm.json_reply import NoJson, json_in
from mi_arena.llm.prices import Price

SCHEMA = 1


@dataclass(frozen=True)
class Answer:
    """What a model said to one question, and what it took."""

    text: str
    finish: str
    """``stop``, ``length``, ``content_filter``, or what else the endpoint said."""
    refused: bool
    """The endpoint itself marked it as a refusal."""
    model: str
    """The model that answered, as the endpoint names it."""
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    """The endpoint gave no usage: the token counts are estimates of ours."""
    cost: float | None
    """USD; ``None`` where the price was unknown."""
    cost_note: str
    """How the cost came about, or why there is none."""
    at: str
    """When it was answered (UTC)."""

    @property
    def parsed(self) -> Any | None:
        """The JSON in it, or ``None``; `json_in` says why."""
        try:
            return json_in(self.text)
        except NoJson:
            return None


_COLUMNS = [field.name for field in fields(Answer)]


class Answers:
    """``with Answers(path) as answers``: the file is made when it is not there."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self.path.with_name(self.path.name + ".lock").open("ab")
        except OSError as error:
            raise BadInput(f"{self.path}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise BadInput(
                f"{self.path}: another process uses it; wait for it to end, or name another --run"
            ) from None
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            self._lock.close()
            raise BadInput(
                f"{self.path}: is no file of answers that can be used ({_named(error)}); move it "
                "away or restore it"
            ) from None

    def _open(self) -> None:
        self._rows = sqlite3.connect(self.path, isolation_level=None)
        try:
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.execute("PRAGMA synchronous=FULL")
            version = self._rows.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA):
                raise sqlite3.DatabaseError(f"made by another version ({version})")
            self._rows.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL, "
                "finish TEXT NOT NULL, refused INTEGER NOT NULL, model TEXT NOT NULL, "
                "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, "
                "estimated INTEGER NOT NULL, cost REAL, cost_note TEXT NOT NULL, "
                "at TEXT NOT NULL) WITHOUT ROWID"
            )
            self._rows.execute(f"PRAGMA user_version={SCHEMA}")
        except sqlite3.Error:
            self._rows.close()
            raise

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._rows.close()
        self._lock.close()

    def get(self, key: str) -> Answer | None:
        row = self._rows.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM answers WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        values = dict(zip(_COLUMNS, row, strict=True))
        flags = {name: bool(values[name]) for name in ("refused", "estimated")}
        return Answer(**(values | flags))

    def keep(self, key: str, answer: Answer) -> None:
        """Durable when this returns. Raises ``OSError`` when it cannot be stored."""
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        try:
            self._rows.execute(
                f"INSERT INTO answers (key, {', '.join(_COLUMNS)}) VALUES ({marks})",
                (key, *astuple(answer)),
            )
        except sqlite3.Error as error:
            # SQLite's own message is about the file, never about what is in it.
            raise OSError(f"{self.path}: an answer cannot be kept ({_named(error)})") from None

    def count(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM answers").fetchone()[0])

    def tokens(self) -> tuple[int, int]:
        """Of all answers: in the questions, in the answers."""
        row = self._rows.execute(
            "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) "
            "FROM answers"
        ).fetchone()
        return int(row[0]), int(row[1])

    def spent(self, price: Price) -> float | None:
        """USD of all answers; those without a cost of their own count by ``price``. ``None``
        where that is unknown too."""
        known, prompt, completion, unknown = self._rows.execute(
            "SELECT coalesce(sum(cost), 0), coalesce(sum(prompt_tokens) FILTER (WHERE cost IS "
            "NULL), 0), coalesce(sum(completion_tokens) FILTER (WHERE cost IS NULL), 0), "
            "count(*) FILTER (WHERE cost IS NULL) FROM answers"
        ).fetchone()
        rest = price.cost(prompt, completion) if unknown else 0.0
        return None if rest is None else float(known) + rest


def _named(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)
