"""What raters preferred in matches: counts and shares for each pair, epoch and two systems.

Rows in, tables out. Knows nothing of where verdicts come from or how a table is shown. Pairs and
epochs are never counted together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mi_arena.study.miti_results import compared
from mi_arena.study.statistics import Interval, bootstrap_over_raters

Undecided = Literal["tie", "both_unacceptable"]


class VerdictRow(NamedTuple):
    """One rater's verdict on one match, and what the match was."""

    match: str
    pair: str
    epoch: str | None
    systems: frozenset[str]
    """The two that were judged against each other."""
    rater: str
    preferred: str | Undecided
    """One of ``systems``, or that neither was preferred."""


@dataclass(frozen=True)
class MatchResults:
    """The verdicts on all matches of two systems of one pair in one epoch."""

    pair: str
    epoch: str | None
    system: str
    other: str
    """``tuned`` is never the other, else ``other`` comes earlier in the order of systems."""
    matches: int
    verdicts: int
    raters: int
    preferred_system: int
    preferred_other: int
    ties: int
    both_unacceptable: int
    share: Interval
    """How often ``system`` was preferred, of the verdicts that preferred one of the two."""


def match_results(rows: Iterable[VerdictRow]) -> tuple[MatchResults, ...]:
    """The tables of all verdicts, by pair, epoch and systems; the order of ``rows`` is no matter.

    Raises ``ValueError`` with one line where a rater judged a match twice, a match is not of two
    systems, or what was preferred is none of them.
    """
    grouped: dict[tuple[str, str, str, str], list[VerdictRow]] = {}
    for row in rows:
        system, other = _the_two(row)
        grouped.setdefault((row.pair, row.epoch or "", system, other), []).append(row)
    return tuple(_results(*key[2:], grouped[key]) for key in sorted(grouped))


def _the_two(row: VerdictRow) -> tuple[str, str]:
    if len(row.systems) != 2:
        raise ValueError(f"match {row.match} is of {len(row.systems)} systems; it is one of two")
    if row.preferred not in {*row.systems, "tie", "both_unacceptable"}:
        raise ValueError(f"match {row.match}: {row.preferred} is preferred but was not shown")
    ((system, other),) = compared(row.systems)
    return system, other


def _results(system: str, other: str, rows: Sequence[VerdictRow]) -> MatchResults:
    seen = Counter((row.match, row.rater) for row in rows)
    if twice := sorted(match for (match, _), times in seen.items() if times > 1):
        raise ValueError(f"match {twice[0]} is judged twice by one rater; give the latest verdict")
    preferred = Counter(row.preferred for row in rows)
    of_rater: dict[str, Counter[str]] = {}
    for row in sorted(rows, key=lambda row: row.rater):
        of_rater.setdefault(row.rater, Counter())[row.preferred] += 1
    return MatchResults(
        pair=rows[0].pair,
        epoch=rows[0].epoch,
        system=system,
        other=other,
        matches=len({row.match for row in rows}),
        verdicts=len(rows),
        raters=len(of_rater),
        preferred_system=preferred[system],
        preferred_other=preferred[other],
        ties=preferred["tie"],
        both_unacceptable=preferred["both_unacceptable"],
        share=bootstrap_over_raters([[one[system], one[other]] for one in of_rater.values()]),
    )
