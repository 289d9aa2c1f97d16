"""Groups of rounds with their scores, and systems of a pair against each other, dialogue by
dialogue. Scored rounds in, estimates out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eval.predictions import Prediction
from eval.score.bootstrap import Bootstrap, Estimate, Matrix, Values, estimate
from eval.score.description import distinct
from eval.score.names import AGAINST, KEYS, METRICS, Key, ProfileName
from eval.score.rounds import RoundScores
from eval.score.statistics import (
    DESCRIPTIVE,
    UNDEFINED,
    Name,
    Statistic,
    profile_statistics,
    row,
)

_NO_INTERVAL_OF_DISTINCT = (
    "no interval: a dialogue that is drawn twice brings no new words, so draws are too low"
)


@dataclass(frozen=True, slots=True)
class ScoredRound:
    prediction: Prediction
    scores: RoundScores


@dataclass(frozen=True)
class GroupResult:
    """One line of each table. ``arm`` or ``pair`` is ``None`` where groups run over all of them."""

    arm: str | None
    pair: str | None
    n_rounds: int
    n_dialogues: int
    n_empty: int
    profiles: dict[str, dict[str, Estimate]]
    """0 to 100."""
    lengths: dict[str, Estimate]
    distinct: dict[str, Estimate]
    questions: dict[str, Estimate]


@dataclass(frozen=True)
class Difference:
    """``arm`` minus ``against`` over the same rounds of a pair, in points."""

    pair: str
    arm: str
    against: str
    profile: str
    metric: str
    n_rounds: int
    n_dialogues: int
    estimate: Estimate


def _place(one: Prediction) -> tuple[str, int, str, str]:
    return one.dialogue_id, one.round, one.pair, one.arm


class _Measured:
    """Rounds as sums over dialogues, and the sums of drawn dialogues."""

    def __init__(self, rounds: Iterable[ScoredRound], bootstrap: Bootstrap):
        # Sorted, so that the order of lines changes no sum, and draws meet the same dialogues.
        self.rounds = sorted(rounds, key=lambda one: _place(one.prediction))
        dialogues: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        for one in self.rounds:
            dialogues[one.prediction.dialogue_id].append(row(one.scores))
        self.dialogues = list(dialogues)
        self.table = np.array([np.sum(rows, axis=0) for rows in dialogues.values()])
        self._bootstrap = bootstrap
        self._values: dict[Name, tuple[float, Values]] = {}

    @cached_property
    def _drawn(self) -> Matrix:
        return self._bootstrap.drawn_sums(self.table)

    def values(self, name: Name, statistic: Statistic) -> tuple[float, Values]:
        """Of all dialogues, and of each draw."""
        if name not in self._values:
            whole = statistic(self.table.sum(axis=0, keepdims=True))
            self._values[name] = float(whole[0]), statistic(self._drawn)
        return self._values[name]

    def estimate(self, name: Name, statistic: Statistic) -> Estimate:
        value, drawn = self.values(name, statistic)
        return estimate(value, drawn, len(self.dialogues), UNDEFINED.get(name, "no rounds"))


class Results:
    """All that is told of the scored rounds. They are complete and in step."""

    def __init__(
        self,
        rounds: Sequence[ScoredRound],
        profiles: Sequence[ProfileName],
        bootstrap: Bootstrap,
        by: Sequence[Key] = KEYS,
    ):
        self._bootstrap, self._profiles = bootstrap, profiles
        self._statistics = profile_statistics(profiles)
        single = self._grouped(rounds, KEYS)
        wanted = single if set(by) == set(KEYS) else self._grouped(rounds, by)
        self.groups = [self._group(*key, found) for key, found in wanted.items()]
        self.differences = list(self._differences(single))

    def _grouped(
        self, rounds: Sequence[ScoredRound], by: Sequence[Key]
    ) -> dict[tuple[str | None, str | None], _Measured]:
        """By pair and arm, sorted so; ``None`` for what isn't grouped by."""
        groups: dict[tuple[str | None, str | None], list[ScoredRound]] = defaultdict(list)
        for one in rounds:
            pair = one.prediction.pair if "pair" in by else None
            groups[pair, one.prediction.arm if "arm" in by else None].append(one)
        ordered = sorted(groups.items(), key=lambda item: tuple(part or "" for part in item[0]))
        return {key: _Measured(found, self._bootstrap) for key, found in ordered}

    def _group(self, pair: str | None, arm: str | None, found: _Measured) -> GroupResult:
        def part(heading: str, statistics: dict[Name, Statistic]) -> dict[str, Estimate]:
            names = [name for name in statistics if name[0] == heading]
            return {name[1]: found.estimate(name, statistics[name]) for name in names}

        return GroupResult(
            arm=arm,
            pair=pair,
            n_rounds=len(found.rounds),
            n_dialogues=len(found.dialogues),
            n_empty=sum(one.scores.description.is_empty for one in found.rounds),
            profiles={profile: part(profile, self._statistics) for profile in self._profiles},
            lengths=part("lengths", DESCRIPTIVE),
            distinct={f"distinct{n}": _distinct(found, n) for n in (1, 2)},
            questions=part("questions", DESCRIPTIVE),
        )

    def _differences(
        self, single: dict[tuple[str | None, str | None], _Measured]
    ) -> Iterator[Difference]:
        for pair in sorted({str(pair) for pair, _ in single}):
            for arm, against in AGAINST:
                if (pair, arm) in single and (pair, against) in single:
                    both = single[pair, arm], single[pair, against]
                    for profile in self._profiles:
                        for metric in METRICS:
                            yield Difference(
                                pair, arm, against, profile, metric,
                                len(both[0].rounds), len(both[0].dialogues),
                                self._difference(*both, (profile, metric)),
                            )  # fmt: skip

    def _difference(self, one: _Measured, other: _Measured, name: Name) -> Estimate:
        statistic = self._statistics[name]
        value, drawn = one.values(name, statistic)
        other_value, other_drawn = other.values(name, statistic)
        return estimate(value - other_value, drawn - other_drawn, len(one.dialogues), "no rounds")


def _distinct(found: _Measured, order: int) -> Estimate:
    replies = (one.scores.words.split(" ") for one in found.rounds if one.scores.words)
    value = distinct(replies, order)
    if value is None:
        return Estimate(None, None, None, f"no reply has {order} words or more")
    return Estimate(value, None, None, _NO_INTERVAL_OF_DISTINCT)
