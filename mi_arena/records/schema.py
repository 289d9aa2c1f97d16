"""The one table of the store: its columns, its constraints, and how an earlier one becomes it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
)

from mi_arena.records.payloads import Kind

SCHEMA_VERSION = 3

# Copied out of the payload for constraints and joins. Real columns and not generated ones: SQLite
# 3.40 does not answer a query from an index alone when its columns are generated, and opening
# 200,000 payloads takes seconds.
_LIFTED_TEXTS = ("battle", "pair", "topic", "tuned_side", "overall", "guess", "receipt_hash")
_LIFTED_NUMBERS = ("round", "allocation_index", "ordinal")
_SINCE_SCHEMA_2 = {"dialogue": Text, "assignment": Text, "coding": Text, "revision": Integer}
"""Columns that a store of schema 1 lacks; none of its events has anything to put there."""
LIFTED = (*_LIFTED_TEXTS, *_LIFTED_NUMBERS, *_SINCE_SCHEMA_2)
"""Columns that hold what the payload says, by the same name."""

_metadata = MetaData()

events_table = Table(
    "events",
    _metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("epoch", Text),
    Column("rater", Text),
    Column("role", Text, nullable=False),
    Column("payload", Text, nullable=False),
    *(Column(name, Text) for name in _LIFTED_TEXTS),
    *(Column(name, Integer) for name in _LIFTED_NUMBERS),
    *(Column(name, type_) for name, type_ in _SINCE_SCHEMA_2.items()),
    sqlite_autoincrement=True,
)
_columns = events_table.c


def _one(name: str, kind: Kind, *columns: Column[Any]) -> Index:
    """At most one event of this kind for each combination of the columns."""
    return Index(name, *columns, unique=True, sqlite_where=_columns.kind == kind)


_one("one_judgement", "judgement", _columns.battle, _columns.rater)
_one("one_client_said", "client_said", _columns.battle, _columns.round)
_one("one_replied", "replied", _columns.battle, _columns.round)
_one("one_battle_started", "battle_started", _columns.battle)
_one("one_withdrawn", "withdrawn", _columns.battle)
_one("one_epoch_opened", "epoch_opened", _columns.epoch)
_one("one_epoch_closed", "epoch_closed", _columns.epoch)
_one("one_battle_drawn", "battle_drawn", _columns.battle)
_one("one_dialogue_imported", "dialogue_imported", _columns.dialogue)
_one("one_work_assigned", "work_assigned", _columns.assignment)
_one("one_work_released", "work_released", _columns.assignment)
_one("one_coding_revision", "coding_submitted", _columns.coding, _columns.revision)
_one("one_match_judged", "match_judged", _columns.assignment)
Index("events_by_battle", _columns.battle)
Index("events_by_rater", _columns.rater, _columns.kind)
Index("events_by_time", _columns.created_at)
Index("judgements_by_receipt", _columns.receipt_hash, sqlite_where=_columns.kind == "judgement")
Index("events_by_kind", _columns.kind, _columns.epoch)
# Not unique: two copies of the app can have given the same index, and both battles stand.
Index(
    "battles_by_allocation",
    _columns.epoch,
    _columns.allocation_index,
    sqlite_where=_columns.kind == "battle_started",
)
# These two hold all that results are counted from: no payload is opened for it, and both are in
# the order in which they are joined.
Index(
    "judgements_counted",
    *(_columns[name] for name in ("epoch", "battle", "rater", "role")),
    *(_columns[name] for name in ("overall", "guess", "ordinal", "kind")),
    sqlite_where=_columns.kind == "judgement",
)
Index(
    "battles_counted",
    *(_columns[name] for name in ("epoch", "battle", "role")),
    *(_columns[name] for name in ("pair", "topic", "tuned_side", "kind")),
    sqlite_where=_columns.kind == "battle_started",
)

for _change in ("UPDATE", "DELETE"):
    event.listen(
        _metadata,
        "after_create",
        DDL(
            f"CREATE TRIGGER events_refuse_{_change.lower()} BEFORE {_change} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        ),
    )


def bring_up_to_date(connection: Connection, version: int) -> None:
    """Make the table (version 0), or give one of an earlier MI Arena the columns and indexes of
    this; no event is touched."""
    if version == 0:
        _metadata.create_all(connection)
        return
    if version < 2:
        for name, type_ in _SINCE_SCHEMA_2.items():
            column = f"{name} {type_.__name__.upper()}"
            connection.exec_driver_sql(f"ALTER TABLE events ADD COLUMN {column}")
    # Unique up to schema 2: it kept out what another copy of the app had begun.
    connection.exec_driver_sql("DROP INDEX IF EXISTS one_allocation")
    for index in events_table.indexes:
        index.create(connection, checkfirst=True)
