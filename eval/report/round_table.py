"""Single rounds with what every system of a pair replied, its codes and scores, and by how much
they differ: a row for each pair, dialogue and round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.shown import Cell, csv_text
from eval.score.names import AGAINST
from eval.score.report import round_records
from eval.score.results import ScoredRound

REFERENCE = "reference"
RoundKey = tuple[str, str, str, int]
"""Pair, system, dialogue, round."""
DESCRIPTIONS = ("characters", "questions", "is_empty")
"""What is kept of a reply beside its scores."""


@dataclass(frozen=True)
class RoundRow:
    """One round, answered by every system of a pair."""

    pair: str
    dialogue_id: str
    round: int
    client: str | None
    """The client turn that is answered; ``None`` without the test set."""
    reference: str
    replies: Mapping[str, str]
    """By system."""
    scores: Mapping[str, Mapping[str, float]]
    """By system: ``profile.metric`` and ``DESCRIPTIONS``."""
    codes: Mapping[str, Sequence[str]]
    """MITI codes, by system or ``reference``, of those that are coded. Of the reference, those that
    came with the test set."""

    @property
    def client_characters(self) -> int | None:
        """Blanks not counted."""
        return None if self.client is None else sum(map(len, self.client.split()))

    def difference(self, arm: str, against: str, metric: str) -> float:
        return self.scores[arm][metric] - self.scores[against][metric]

    @property
    def differences(self) -> dict[str, dict[str, float]]:
        """By ``arm-against``, of every score."""
        return {
            f"{arm}-{against}": {
                metric: self.difference(arm, against, metric) for metric in self.scores[arm]
            }
            for arm, against in AGAINST
            if arm in self.scores and against in self.scores
        }


def merge(
    rounds: Sequence[ScoredRound],
    clients: Mapping[tuple[str, int], str],
    codes: Mapping[RoundKey, Sequence[str]],
) -> list[RoundRow]:
    """In the order in which rounds first come. Rounds are complete and in step.

    ``clients``: the turns that are answered, by dialogue and round.
    """
    replies: dict[tuple[str, str, int], dict[str, str]] = defaultdict(dict)
    scores: dict[tuple[str, str, int], dict[str, dict[str, float]]] = defaultdict(dict)
    references: dict[tuple[str, str, int], str] = {}
    for scored, record in zip(rounds, round_records(rounds), strict=True):
        one = scored.prediction
        key = (one.pair, one.dialogue_id, one.round)
        replies[key][one.arm] = one.prediction
        references[key] = one.reference
        scores[key][one.arm] = _scores(record)
    return [
        RoundRow(
            *key,
            clients.get(key[1:]),
            references[key],
            replies[key],
            scores[key],
            {
                system: codes[key[0], system, *key[1:]]
                for system in (*replies[key], REFERENCE)
                if (key[0], system, *key[1:]) in codes
            },
        )
        for key in references
    ]


def as_records(rows: Iterable[RoundRow]) -> list[dict[str, Any]]:
    """With the texts, which only who may see the dialogues may read."""
    return [
        {**vars(row), "client_characters": row.client_characters, "differences": row.differences}
        for row in rows
    ]


def as_csv(rows: Sequence[RoundRow]) -> str:
    """Numbers alone, a row a round; a column that a pair lacks is empty."""
    scores = dict.fromkeys(
        f"{arm}.{name}" for row in rows for arm, found in row.scores.items() for name in found
    )
    differences = dict.fromkeys(
        f"{both}.{name}"
        for row in rows
        for both, found in row.differences.items()
        for name in found
    )
    header = ("pair", "dialogue_id", "round", "client_characters", *scores, *differences)
    return csv_text(header, (_cells(row, [*scores, *differences]) for row in rows))


def _cells(row: RoundRow, columns: Sequence[str]) -> list[Cell]:
    found = {
        f"{head}.{name}": value
        for head, values in [*row.scores.items(), *row.differences.items()]
        for name, value in values.items()
    }
    start: list[Cell] = [row.pair, row.dialogue_id, row.round, row.client_characters]
    return [*start, *(found.get(column) for column in columns)]


def _scores(record: Mapping[str, Any]) -> dict[str, float]:
    profiles = {
        f"{profile}.{metric}": value
        for profile, metrics in record["profiles"].items()
        for metric, value in metrics.items()
    }
    return profiles | {name: record[name] for name in DESCRIPTIONS}
