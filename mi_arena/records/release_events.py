"""Payload about releases: which one the public dataset holds, and how much is in it."""

from __future__ import annotations

from mi_arena.records.payloads import Count, Payload, Record, Short


class TableCounts(Record):
    """Of one table of a release. The first two together are all that the records held."""

    released: Count
    left_out: dict[Short, Count]
    """By reason."""
    not_counted: Count = 0
    """Of those released: each such row says why the study's own tables leave it out."""


class ReleasePushed(Payload):
    """The public dataset holds this release and nothing else."""

    kind = "release_pushed"

    repo: Short
    commit: Short
    events: Count
    """In the records when it was made."""
    tombstones: Count
    """How many withdrawals it knows."""
    tables: dict[Short, TableCounts]
