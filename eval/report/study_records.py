"""The study's record as a report needs it: preferences by epoch, codings, verdicts on matches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from mi_arena.access.keyed import keyed_by
from mi_arena.jobs.script import BadInput
from mi_arena.records.results_query import EpochInfo, battle_counts, epochs, judgement_rows
from mi_arena.records.store import DATABASE_NAME, EventStore, StoreError
from mi_arena.study.match_results import MatchResults, match_results
from mi_arena.study.miti_results import GroupResults, miti_results
from mi_arena.study.results import Group, ResultsTable, results_table
from mi_arena.workspace.ledger import Ledger
from mi_arena.workspace.material import MaterialStore
from mi_arena.workspace.report import coding_rows, report_facts, verdict_rows

GROUPS: tuple[Group, ...] = get_args(Group)
Withheld = Literal["open"]
"""Experts learn nothing before an epoch closes, and a report travels."""


@dataclass(frozen=True)
class Preference:
    """One epoch as one group of raters judged it; groups and epochs are never pooled."""

    epoch: EpochInfo
    table: ResultsTable
    withheld: Withheld | None


@dataclass(frozen=True)
class StudyRecords:
    """All that a report takes from the record."""

    facts: list[str]
    """What it was made from, as lines."""
    preferences: list[Preference]
    codings: tuple[GroupResults, ...]
    matches: tuple[MatchResults, ...]


def check_study(folder: Path) -> Path:
    """The database in an app's data folder. Raises ``BadInput``."""
    database = folder / DATABASE_NAME
    if not database.is_file():
        raise BadInput(f"--study: there is no {database}: name the app's data folder")
    return database


def read_study(folder: Path, minimum: int) -> StudyRecords:
    """Shares over fewer than ``minimum`` judgements are withheld. Raises ``BadInput``."""
    database = check_study(folder)
    try:
        store = EventStore(database, read_only=True)
        try:
            ledger = Ledger(store)
            # Ids are only compared with each other here, so any key does.
            material = MaterialStore(store, ledger, keyed_by(b"report"))
            books = ledger.now()
            codings, verdicts = list(coding_rows(books, material)), list(verdict_rows(books))
            preferences = [
                one for epoch in epochs(store) for one in _preferences(store, epoch, minimum)
            ]
            facts = report_facts(store)
        finally:
            store.close()
    except StoreError as error:
        raise BadInput(f"--study: {error}") from None
    try:
        return StudyRecords(
            facts, preferences, miti_results(codings).groups, match_results(verdicts)
        )
    except ValueError as error:
        raise BadInput(f"--study: the records contradict themselves: {error}") from None


def _preferences(store: EventStore, epoch: EpochInfo, minimum: int) -> list[Preference]:
    rows, counts = judgement_rows(store, epoch.id), battle_counts(store, epoch.id)
    tables = [
        results_table(rows, counts, epoch=epoch.id, role=group, minimum=minimum) for group in GROUPS
    ]
    still_open = epoch.closed_at is None
    return [
        Preference(epoch, table, "open" if still_open and table.role == "expert" else None)
        for table in tables
    ]
