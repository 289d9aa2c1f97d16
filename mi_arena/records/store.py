"""The durable log of events: SQLite, append-only, safe for many threads and processes.

What ``append`` has returned is on the disk. Rules that a race could break (one judgement per
battle and rater) are constraints of the database, not habits of its callers. Nothing here knows
what the events mean; errors are one line and never repeat content.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pydantic import ValidationError
from sqlalchemy import (
    Connection,
    QueuePool,
    Row,
    Select,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from mi_arena.records.events import Event
from mi_arena.records.owner_only import owner_only
from mi_arena.records.payloads import Kind
from mi_arena.records.schema import LIFTED, SCHEMA_VERSION, bring_up_to_date, events_table

DATABASE_NAME = "events.sqlite"
"""The file's name inside the data directory (``MI_ARENA_DATA``)."""
BUSY_SECONDS = 5.0
_PAGE = 1_000


class StoreError(RuntimeError):
    """The store failed; the message is one line without content."""


class Unreadable(StoreError):
    """The store cannot be opened or read."""


class NotStored(StoreError):
    """What was to be appended is not in the store, none of it."""


class AlreadyStored(NotStored):
    """A constraint of the store refused a second one of what may be there once."""


class NotTaken(NotStored):
    """The store takes nothing until what was lost is back in it."""


class Where(TypedDict, total=False):
    """Which events are meant; what is left out or ``None`` does not matter."""

    battle: str | None
    epoch: str | None
    rater: str | None


Kinds = Kind | Collection[Kind]
"""One kind, or several."""


_columns = events_table.c
_told = [_columns[name] for name in ("seq", *Event.model_fields)]


class Transaction:
    """Reads and appends that happen together or not at all; nobody else writes meanwhile."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def append(self, new: Event) -> Event:
        """Add one event; durable only once the transaction has ended without an error."""
        with _failing_as_not_stored(new.kind):
            self._connection.execute(events_table.insert(), _row(new))
        return new

    def append_all(self, new: Iterable[Event]) -> list[Event]:
        return [self.append(one) for one in new]

    def events(
        self, kind: Kinds | None = None, *, after_seq: int = 0, **where: Unpack[Where]
    ) -> Iterator[Event]:
        """The events that fit, in the order in which they were appended."""
        chosen = _chosen(select(*_told), kind, where).order_by(_columns.seq)
        while True:
            page = self._connection.execute(
                chosen.where(_columns.seq > after_seq).limit(_PAGE)
            ).all()
            for row in page:
                yield _read(row)
            if len(page) < _PAGE:
                return
            after_seq = page[-1].seq

    def count(self, kind: Kinds | None = None, **where: Unpack[Where]) -> int:
        return _count(self._connection, kind, where)

    def latest(self, kind: Kinds | None = None, **where: Unpack[Where]) -> Event | None:
        return _latest(self._connection, kind, where)

    def next_allocation(self, epoch: str) -> int:
        """The allocation index that follows those of all battles of an epoch; the first is 0."""
        highest = select(func.max(_columns.allocation_index)).where(
            _columns.kind == "battle_started", _columns.epoch == epoch
        )
        last = self._connection.execute(highest).scalar()
        return 0 if last is None else int(last) + 1


class EventStore:
    """The log in one SQLite file; made, with its directory, where it is missing.

    ``busy_timeout`` is how many seconds a writer waits for another before it gives up. With
    ``read_only`` the file must exist and every append raises ``NotStored``. Raises ``Unreadable``
    where the file cannot be opened or was written by a newer MI Arena.
    """

    def __init__(
        self, path: str | Path, busy_timeout: float = BUSY_SECONDS, *, read_only: bool = False
    ):
        self.path = Path(path)
        self.taking = True
        """While it is not set, nothing is stored but what ``put_back`` brings."""
        self._busy_timeout = busy_timeout
        # SQLite lets waiting writers race; within this process they stand in line instead.
        self._writing = threading.Lock()
        address = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                address, uri=True, timeout=busy_timeout, check_same_thread=False
            )
            # No implicit BEGIN by the driver: the listener below says which kind of BEGIN it is.
            connection.isolation_level = None
            connection.execute("PRAGMA synchronous = FULL")
            # Without it INSERT OR REPLACE would delete rows behind the trigger's back.
            connection.execute("PRAGMA recursive_triggers = ON")
            return connection

        # Nobody waits for the pool: SQLite's own lock is the only queue.
        self._engine = create_engine(
            "sqlite://",
            creator=connect,
            poolclass=QueuePool,
            max_overflow=-1,
            hide_parameters=True,
        )
        self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")

        @event.listens_for(self._engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

        try:
            with _failing_as(Unreadable, f"the record store {self.path} cannot be opened"):
                if not read_only:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                self._prepare(read_only)
        except BaseException:
            self.close()
            raise

    def append(self, new: Event) -> Event:
        """Store one event; it is on the disk when this returns."""
        with self.transaction() as transaction:
            return transaction.append(new)

    def append_all(self, new: Iterable[Event]) -> list[Event]:
        """Store all of these events or none."""
        with self.transaction() as transaction:
            return transaction.append_all(new)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Look and then append, with every other writer kept out; an exception undoes it all.

        What was appended is durable once the ``with`` block has been left, not before. A thread
        that opens a second one inside the first waits for itself and gets ``NotStored``.
        """
        if not self.taking:
            raise NotTaken("not stored: the records have not been restored")
        with self._alone() as connection:
            yield Transaction(connection)

    def put_back(self, lost: Iterable[Event]) -> int:
        """Append those of these events that are not here, each with its own id and time, all or
        none; returns how many. One that a constraint refuses, beside another event with what may
        be there once, is left out.

        ``lost`` is read while other writers wait.
        """
        insert, added = events_table.insert().prefix_with("OR IGNORE"), 0
        with self._alone() as connection:
            events = iter(lost)
            while rows := [_row(event) for event in islice(events, _PAGE)]:
                added += connection.execute(insert, rows).rowcount
        return added

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        if not self._writing.acquire(timeout=self._busy_timeout):
            raise NotStored(f"not stored: the record store was busy ({self._waited()})")
        try:
            with _failing_as_not_stored("events"), self._writer.begin() as connection:
                yield connection
        finally:
            self._writing.release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for queries that see one moment of the store. Keep it short."""
        with (
            _failing_as(Unreadable, f"the record store {self.path} cannot be read"),
            self._engine.begin() as connection,
        ):
            yield connection

    def numbered(
        self, kind: Kinds | None = None, *, after_seq: int = 0, **where: Unpack[Where]
    ) -> Iterator[tuple[int, Event]]:
        """Like ``events``, each with its number, from which a later reading can go on.

        Numbers grow in the order of commits, so nothing turns up later below one already seen.
        Reads a page at a time and holds no lock between pages, and ends at what was there at the
        beginning.
        """
        chosen = _chosen(select(*_told), kind, where)
        with self.reading() as connection:
            last = connection.execute(select(func.max(_columns.seq))).scalar() or 0
        while after_seq < last:
            with self.reading() as connection:
                page = connection.execute(
                    chosen.where(_columns.seq > after_seq, _columns.seq <= last)
                    .order_by(_columns.seq)
                    .limit(_PAGE)
                ).all()
            for row in page:
                yield row.seq, _read(row)
            after_seq = page[-1].seq if len(page) == _PAGE else last

    def events(
        self, kind: Kinds | None = None, *, after_seq: int = 0, **where: Unpack[Where]
    ) -> Iterator[Event]:
        """The events that fit, in the order in which they were appended."""
        for _, stored in self.numbered(kind, after_seq=after_seq, **where):
            yield stored

    def ids(self, after_seq: int = 0) -> list[tuple[int, str]]:
        """Number and id of every event after this number, in order; no payload is opened."""
        wanted = select(_columns.seq, _columns.event_id).where(_columns.seq > after_seq)
        with self.reading() as connection:
            rows = connection.execute(wanted.order_by(_columns.seq)).all()
        return [(row.seq, row.event_id) for row in rows]

    def count(self, kind: Kinds | None = None, **where: Unpack[Where]) -> int:
        """How many events fit."""
        with self.reading() as connection:
            return _count(connection, kind, where)

    def latest(self, kind: Kinds | None = None, **where: Unpack[Where]) -> Event | None:
        """The one that happened last of those that fit: what was put back may be older than its
        number."""
        with self.reading() as connection:
            return _latest(connection, kind, where)

    def close(self) -> None:
        """Let go of the file; a later use opens it again."""
        self._engine.dispose()

    def _prepare(self, read_only: bool) -> None:
        """Make the table where it is missing, once, however many processes start together."""
        version = self._version()
        if not read_only:
            owner_only(self.path)
        if version == SCHEMA_VERSION:
            return
        if version > SCHEMA_VERSION:
            raise Unreadable(
                f"the record store {self.path} has schema {version}, this MI Arena knows up to "
                f"{SCHEMA_VERSION}: start the newer MI Arena that wrote it"
            )
        if read_only and version == 0:
            raise Unreadable(f"{self.path} is not a record store of MI Arena")
        if read_only:
            return  # what is told of an event stands in columns that every schema has
        self._switch_to_wal()
        with self._writer.begin() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version < SCHEMA_VERSION:
                bring_up_to_date(connection, version)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _version(self) -> int:
        with self._engine.begin() as connection:
            return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    def _switch_to_wal(self) -> None:
        """Write-ahead logging, a lasting property of the file.

        SQLite does not wait its busy timeout for this switch, so processes that start together
        must try again themselves.
        """
        patience = time.monotonic() + self._busy_timeout
        connection = self._engine.raw_connection()
        try:
            while True:
                try:
                    connection.cursor().execute("PRAGMA journal_mode = WAL")
                    return
                except sqlite3.OperationalError as error:
                    if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                        raise
                    time.sleep(0.02)
        finally:
            connection.close()

    def _waited(self) -> str:
        return f"waited {self._busy_timeout:g} s"


def _row(event: Event) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "kind": event.kind,
        # Always of the same width, so that the text sorts like the time.
        "created_at": event.created_at.isoformat(timespec="microseconds"),
        "epoch": event.epoch,
        "rater": event.rater,
        "role": event.role,
        "payload": event.payload.model_dump_json(),
        **{name: getattr(event.payload, name, None) for name in LIFTED},
    }


def _chosen(statement: Select[Any], kind: Kinds | None, where: Where) -> Select[Any]:
    if isinstance(kind, str):
        # Not IN with one: the partial indexes are found by equality only.
        statement = statement.where(_columns.kind == kind)
    elif kind is not None:
        statement = statement.where(_columns.kind.in_(kind))
    return statement.where(
        *(_columns[name] == value for name, value in where.items() if value is not None)
    )


def _count(connection: Connection, kind: Kinds | None, where: Where) -> int:
    statement = _chosen(select(func.count()).select_from(events_table), kind, where)
    return int(connection.execute(statement).scalar_one())


def _latest(connection: Connection, kind: Kinds | None, where: Where) -> Event | None:
    by_time = _chosen(select(*_told), kind, where).order_by(
        _columns.created_at.desc(), _columns.seq.desc()
    )
    row = connection.execute(by_time.limit(1)).first()
    return None if row is None else _read(row)


def _read(row: Row[Any]) -> Event:
    """The event of a row; ``Unreadable`` with its number where the row is not one."""
    try:
        return Event(
            event_id=row.event_id,
            kind=row.kind,
            created_at=row.created_at,
            epoch=row.epoch,
            rater=row.rater,
            role=row.role,
            payload=json.loads(row.payload),
        )
    except ValidationError as error:
        reason = error.errors(include_input=False)[0]["msg"]
    except ValueError:
        reason = "its payload is not JSON"
    raise Unreadable(f"event {row.seq} cannot be read: {reason}")


_CAUSES = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_BUSY: "another process holds it (locked)",
    sqlite3.SQLITE_LOCKED: "another process holds it (locked)",
    sqlite3.SQLITE_IOERR: "the disk failed (I/O error)",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
}


def _primary_code(error: BaseException) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def cause_of(error: BaseException) -> str:
    """Why SQLite refused, in words and without any of the values it was given."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    original = getattr(error, "orig", None) or error
    known = _CAUSES.get(_primary_code(original) or 0)
    name = getattr(original, "sqlite_errorname", type(original).__name__)
    return f"{known} ({name})" if known else str(name)


@contextmanager
def _failing_as(kind: type[StoreError], what: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise kind(f"{what}: {cause_of(error)}") from None


@contextmanager
def _failing_as_not_stored(what: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        original = getattr(error, "orig", None) or error
        if getattr(original, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            columns = str(original).rpartition(": ")[2].replace("events.", "")
            raise AlreadyStored(f"{what} not stored: there is one with this {columns}") from None
        raise NotStored(f"{what} not stored: {cause_of(error)}") from None
