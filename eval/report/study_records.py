"""The study's record as a report needs it: preferences by epoch, codings, verdicts on matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from mi_arena.jobs.script import BadInput
from mi_arena.records.results_query import EpochInfo, battle_counts, epochs, judgement_rows
from mi_arena.records.store import EventStore, StoreError
from mi_arena.records.votes import Votes
from mi_arena.study.exclusions import Reason
from mi_arena.study.match_results import MatchResults, match_results
from mi_arena.study.miti_results import GroupResults, miti_results
from mi_arena.study.results import Group, ResultsTable, results_table
from mi_arena.workspace.report import coding_rows, report_facts, verdict_rows
from mi_arena.workspace.study_reading import study_read

OPTION = "--study"
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


def read_study(folder: Path, minimum: int) -> StudyRecords:
    """Shares over fewer than ``minimum`` judgements are withheld. Raises ``BadInput``."""
    try:
        with study_read(folder, OPTION) as study:
            store = study.store
            codings = list(coding_rows(study.books, study.material))
            verdicts = list(verdict_rows(study.books))
            votes = Votes(store)
            preferences = [
                one
                for epoch in epochs(store)
                for one in _preferences(store, epoch, minimum, votes.excluded(epoch.id))
            ]
            facts = report_facts(store)
    except StoreError as error:
        raise BadInput(f"{OPTION}: {error}") from None
    try:
        return StudyRecords(
            facts, preferences, miti_results(codings).groups, match_results(verdicts)
        )
    except ValueError as error:
        raise BadInput(f"--study: the records contradict themselves: {error}") from None


def _preferences(
    store: EventStore, epoch: EpochInfo, minimum: int, excluded: Mapping[str, Reason]
) -> list[Preference]:
    rows, counts = judgement_rows(store, epoch.id), battle_counts(store, epoch.id)
    tables = [
        results_table(rows, counts, epoch=epoch.id, role=group, minimum=minimum, excluded=excluded)
        for group in GROUPS
    ]
    still_open = epoch.closed_at is None
    return [
        Preference(epoch, table, "open" if still_open and table.role == "expert" else None)
        for table in tables
    ]
