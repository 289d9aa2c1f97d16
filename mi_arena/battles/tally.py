"""Where an epoch's tally stands, for the moment after a reveal."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from mi_arena.records.results_query import judgement_rows
from mi_arena.records.store import EventStore


class Tally(NamedTuple):
    """Counts of the public's judgements in one epoch."""

    judgements: int
    tuned: int
    base: int
    ties: int
    both: int


def tally(store: EventStore, epoch: str, excluded: Collection[str] = ()) -> Tally:
    """Without the ``excluded`` battles."""
    public = [row for row in judgement_rows(store, epoch) if row.role == "public"]
    rows = [row for row in public if row.battle not in excluded]
    decisive = [row.overall == row.tuned_side for row in rows if row.overall in ("A", "B")]
    return Tally(
        judgements=len(rows),
        tuned=sum(decisive),
        base=len(decisive) - sum(decisive),
        ties=sum(row.overall == "tie" for row in rows),
        both=sum(row.overall == "both_unacceptable" for row in rows),
    )
