"""Answers that were paid for, kept in one SQLite file, so that no question is asked twice.

An answer is durable (WAL, synchronous FULL) before anybody sees it. The file holds texts and no
key. Several processes of one machine may share it: who asks a question claims it first, and the
others wait for the answer; a claim whose process is gone is taken over.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import yaml

from mi_arena.jobs.script import BadInput
from mi_arena.jobs.viewing import is_alive
from mi_arena.llm.json_reply import NoJson, json_in
from mi_arena.llm.prices import Price

SCHEMA = 2
"""1 knew neither runs nor claims; such a file is brought up."""
NAME = "answers.sqlite"
"""Of the file in a run directory, where none is named."""
BUSY = 60.0
"""Seconds to wait for another process to finish writing."""


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
    """``with Answers(path) as answers``: the file is made when it is not there.

    ``run`` is the run directory whose doings are counted; without it, the file's own folder.
    """

    def __init__(self, path: str | Path, run: str | Path | None = None) -> None:
        self.path = Path(path)
        own = run is None or Path(run).resolve() == self.path.parent.resolve()
        # The file's own folder has no name, so that it may be moved.
        self._run = "." if own else str(Path(run or ".").resolve())
        self._owner = uuid.uuid4().hex
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{self.path}: cannot be written: {error.strerror}") from None
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            raise BadInput(
                f"{self.path}: is no file of answers that can be used ({_named(error)}); move it "
                "away or restore it"
            ) from None

    def _open(self) -> None:
        self._rows = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None)
        try:
            self._to_wal()
            # A claim need not outlive the machine; `keep` asks for more.
            self._rows.execute("PRAGMA synchronous=NORMAL")
            with self._alone():
                self._bring_up()
        except sqlite3.Error:
            self._rows.close()
            raise

    def _to_wal(self) -> None:
        """SQLite doesn't wait here when another process does the same at the same moment."""
        until = time.monotonic() + BUSY
        while True:
            try:
                self._rows.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                locked = error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not locked or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def _bring_up(self) -> None:
        version = self._rows.execute("PRAGMA user_version").fetchone()[0]
        if version not in range(SCHEMA + 1):
            raise sqlite3.DatabaseError(f"made by another version ({version})")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL, "
            "finish TEXT NOT NULL, refused INTEGER NOT NULL, model TEXT NOT NULL, "
            "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, "
            "estimated INTEGER NOT NULL, cost REAL, cost_note TEXT NOT NULL, "
            "at TEXT NOT NULL) WITHOUT ROWID"
        )
        if version < 2:
            self._rows.execute("ALTER TABLE answers ADD COLUMN run TEXT NOT NULL DEFAULT '.'")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL, "
            "pid INTEGER NOT NULL, started REAL NOT NULL) WITHOUT ROWID"
        )
        if version != SCHEMA:
            self._rows.execute(f"PRAGMA user_version={SCHEMA}")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """A transaction in which no other process writes."""
        self._rows.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._rows.execute("ROLLBACK")
            raise
        self._rows.execute("COMMIT")

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
        """Lets go of what is claimed still."""
        with contextlib.suppress(sqlite3.Error):
            self._rows.execute("DELETE FROM claims WHERE owner = ?", (self._owner,))
        self._rows.close()

    def get(self, key: str) -> Answer | None:
        row = self._rows.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM answers WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        values = dict(zip(_COLUMNS, row, strict=True))
        flags = {name: bool(values[name]) for name in ("refused", "estimated")}
        return Answer(**(values | flags))

    def claim(self, key: str) -> bool:
        """Whether the question is now ours to ask: it is neither answered nor being asked by
        somebody who is alive. Raises ``OSError`` when that cannot be noted."""
        try:
            if self._taken(key):
                return False
            with self._alone():
                if self._taken(key):
                    return False
                self._rows.execute(
                    "INSERT OR REPLACE INTO claims (key, owner, pid, started) VALUES (?, ?, ?, ?)",
                    (key, self._owner, os.getpid(), psutil.Process().create_time()),
                )
        except sqlite3.Error as error:
            raise OSError(f"{self.path}: a question cannot be claimed ({_named(error)})") from None
        return True

    def _taken(self, key: str) -> bool:
        if self._rows.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone():
            return True
        claim = self._rows.execute(
            "SELECT pid, started FROM claims WHERE key = ?", (key,)
        ).fetchone()
        return claim is not None and is_alive(*claim)

    def release(self, key: str) -> None:
        """Let a claim of ours go. One that can't be now ends with this process."""
        with contextlib.suppress(sqlite3.Error):
            self._rows.execute("DELETE FROM claims WHERE key = ? AND owner = ?", (key, self._owner))

    def keep(self, key: str, answer: Answer) -> None:
        """Durable when this returns. Raises ``OSError`` when it cannot be stored."""
        marks = ", ".join("?" * (len(_COLUMNS) + 2))
        try:
            self._rows.execute("PRAGMA synchronous=FULL")
            self._rows.execute(
                f"INSERT INTO answers (key, run, {', '.join(_COLUMNS)}) VALUES ({marks})",
                (key, self._run, *astuple(answer)),
            )
        except sqlite3.Error as error:
            # SQLite's own message is about the file, never about what is in it.
            raise OSError(f"{self.path}: an answer cannot be kept ({_named(error)})") from None
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._rows.execute("PRAGMA synchronous=NORMAL")

    def count(self) -> int:
        """Of all answers, whoever asked."""
        return int(self._rows.execute("SELECT count(*) FROM answers").fetchone()[0])

    def tokens(self) -> tuple[int, int]:
        """Of what this run directory has asked: in the questions, in the answers."""
        row = self._rows.execute(
            "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) "
            "FROM answers WHERE run = ?",
            (self._run,),
        ).fetchone()
        return int(row[0]), int(row[1])

    def spent(self, price: Price) -> float | None:
        """USD of what this run directory has asked; answers without a cost of their own count by
        ``price``. ``None`` where that is unknown too."""
        known, prompt, completion, unknown = self._rows.execute(
            "SELECT coalesce(sum(cost), 0), coalesce(sum(prompt_tokens) FILTER (WHERE cost IS "
            "NULL), 0), coalesce(sum(completion_tokens) FILTER (WHERE cost IS NULL), 0), "
            "count(*) FILTER (WHERE cost IS NULL) FROM answers WHERE run = ?",
            (self._run,),
        ).fetchone()
        rest = price.cost(prompt, completion) if unknown else 0.0
        return None if rest is None else float(known) + rest


def check_same_answers(run: Path, answers: Path) -> None:
    """A run directory goes on with the file it began with: that one remembers what it has spent.

    Raises ``BadInput`` where ``config.yaml`` names another that is still there.
    """
    try:
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        before = Path(config.get("answers") or run / NAME)
    except (OSError, ValueError, yaml.YAMLError, AttributeError, TypeError):
        return
    if before.resolve() != answers.resolve() and before.exists():
        raise BadInput(
            f"{run}: keeps its answers in {before}, not in {answers}: go on with the same "
            "--answers, or begin another run directory"
        )


def _named(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)
