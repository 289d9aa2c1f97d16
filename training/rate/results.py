"""What the ratings say: means with intervals, a ranking, and how far judge and people agree.

Ratings in, numbers out; what is undefined says why. Judge and people are never pooled. Knows
nothing of files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mi_arena.miti.agreement import ItemAgreement, Rating, agreement
from mi_arena.miti.alpha import Level
from mi_arena.miti.icc import icc_a1
from mi_arena.miti.kappa import weighted_kappa
from mi_arena.miti.ratings import Coefficient
from mi_arena.study.estimates import DRAWS, SEED, Estimate, estimates
from training.rate.rubric import DIMENSIONS, TOTAL, Scores, normalised_total

Group = Literal["judge", "people"]
COLUMNS = (*(dimension.name for dimension in DIMENSIONS), TOTAL)
LEFT_OUT: dict[Group, str] = {
    "judge": "the judge gave no usable rating",
    "people": "no person rated it",
}
RANKING_METHOD = (
    "share of the bootstrap draws (dialogues drawn anew within each corpus, "
    f"{DRAWS} draws, seed {SEED}) in which a corpus is among the best; equal corpora share a place"
)
KAPPA_METHOD = "quadratic weights, of the judge and the mean of people rounded half up"
NO_KAPPA_OF_TOTAL = "the normalised total is no category: see ICC(A,1)"
_ROUNDED = 12
"""Decimals: means of the same values, summed in another order, are equal."""


@dataclass(frozen=True)
class Ratings:
    """All that was given, by blind id."""

    corpora: Mapping[str, Sequence[str]]
    """The blind ids of each corpus."""
    judge: Mapping[str, Scores]
    people: Mapping[str, Mapping[str, Scores]]
    """By rater."""

    def of(self, group: Group) -> dict[str, Scores]:
        """One score for each dialogue and dimension, averaged over the raters who gave one."""
        if group == "judge":
            return dict(self.judge)
        return averaged(self.people)


@dataclass(frozen=True)
class CorpusResult:
    """How one group rated one corpus."""

    corpus: str
    dialogues: int
    rated: int
    """Dialogues with any score."""
    ratings: int
    """Ratings of dialogues; more than ``rated`` where several people rated one."""
    estimates: dict[str, Estimate]
    """Of each dimension in its points, and of the total from 0 to 1."""


@dataclass(frozen=True)
class Ranked:
    """A place in the ranking by normalised total."""

    place: int
    corpus: str
    total: Estimate
    best_share: float
    """Share of the draws in which it is among the best."""


@dataclass(frozen=True)
class Ranking:
    """Corpora from the best down; empty, with a reason, where not all have a total."""

    group: Group
    best: int
    """How many the best are."""
    places: tuple[Ranked, ...]
    reason: str | None = None


@dataclass(frozen=True)
class JudgeAgainstPeople:
    """Judge and the mean of people on the dialogues that both rated."""

    n: int
    icc_a1: Coefficient
    weighted_kappa: Coefficient
    bias: Estimate
    """Judge minus people: above 0, the judge is milder."""


def averaged(people: Mapping[str, Mapping[str, Scores]]) -> dict[str, Scores]:
    """The mean over raters for each dialogue and dimension."""
    given: dict[str, dict[str, list[float]]] = {}
    for scores_of in people.values():
        for blind_id, scores in scores_of.items():
            for name, score in scores.items():
                given.setdefault(blind_id, {}).setdefault(name, []).append(score)
    return {
        blind_id: {name: sum(all_of) / len(all_of) for name, all_of in by_name.items()}
        for blind_id, by_name in given.items()
    }


def corpus_results(ratings: Ratings, group: Group) -> list[CorpusResult]:
    """One result for each corpus, by name."""
    scores = ratings.of(group)
    by_rater = [ratings.judge] if group == "judge" else list(ratings.people.values())
    reasons = [LEFT_OUT[group]] * len(COLUMNS)
    reasons[-1] = f"{LEFT_OUT[group]} on all four dimensions"
    found = []
    for corpus in sorted(ratings.corpora):
        ids = ratings.corpora[corpus]
        table = [_row(scores.get(blind_id, {})) for blind_id in ids]
        found.append(
            CorpusResult(
                corpus,
                len(ids),
                sum(blind_id in scores for blind_id in ids),
                sum(blind_id in one for one in by_rater for blind_id in ids),
                dict(zip(COLUMNS, estimates(table, reasons, "dialogue"), strict=True)),
            )
        )
    return found


def ranking(ratings: Ratings, group: Group, best: int) -> Ranking:
    """Corpora by their mean normalised total; of equal ones the name decides."""
    scores = ratings.of(group)
    totals = {
        corpus: [t for i in ids if (t := normalised_total(scores.get(i, {}))) is not None]
        for corpus, ids in ratings.corpora.items()
    }
    without = sorted(corpus for corpus, values in totals.items() if not values)
    if without:
        reason = f"no normalised total by {'the judge' if group == 'judge' else 'people'} for "
        return Ranking(group, best, (), reason + ", ".join(without))
    shares = best_shares(totals, best)
    results = {one.corpus: one.estimates[TOTAL] for one in corpus_results(ratings, group)}
    order = sorted(results, key=lambda corpus: (-_mean(results[corpus]), corpus))
    return Ranking(
        group,
        best,
        tuple(
            Ranked(place, corpus, results[corpus], shares[corpus])
            for place, corpus in enumerate(order, 1)
        ),
    )


def best_shares(values: Mapping[str, Sequence[float]], best: int) -> dict[str, float]:
    """How often each is among the ``best`` largest means, over draws within each.

    Where equal means compete for the last places, each has its share of them: the shares add up
    to ``best``, or to how many there are.
    """
    names = sorted(values)
    best = min(best, len(names))
    generator = np.random.default_rng(SEED)
    means = np.stack([_drawn_means(values[name], generator) for name in names], axis=1)
    last = -np.sort(-means, axis=1)[:, best - 1 : best]
    above, level = means > last, means == last
    left = best - above.sum(axis=1, keepdims=True)
    shares = (above + level * left / level.sum(axis=1, keepdims=True)).mean(axis=0)
    return {name: float(share) for name, share in zip(names, shares, strict=True)}


def judge_against_people(ratings: Ratings) -> dict[str, JudgeAgainstPeople]:
    """For each dimension and the total."""
    people = ratings.of("people")
    both = sorted(ratings.judge.keys() & people.keys())
    judged = np.array([_row(ratings.judge[i]) for i in both]).reshape(-1, len(COLUMNS))
    rated = np.array([_row(people[i]) for i in both]).reshape(-1, len(COLUMNS))
    found = {}
    for column, name in enumerate(COLUMNS):
        pair = np.stack([judged[:, column], rated[:, column]], axis=1)
        pair = pair[~np.isnan(pair).any(axis=1)]
        rounded = np.stack([pair[:, 0], np.floor(pair[:, 1] + 0.5)], axis=1)
        n = len(pair)
        found[name] = JudgeAgainstPeople(
            n,
            icc_a1(pair),
            Coefficient.undefined(n, NO_KAPPA_OF_TOTAL)
            if name == TOTAL
            else weighted_kappa(rounded),
            estimates(pair[:, :1] - pair[:, 1:], [None], "dialogue")[0],
        )
    return found


def among_people(ratings: Ratings) -> tuple[dict[str, ItemAgreement], str | None]:
    """The agreement of people on each dimension and the total, or why there is none."""
    shared: dict[str, int] = {}
    for scores_of in ratings.people.values():
        for blind_id in scores_of:
            shared[blind_id] = shared.get(blind_id, 0) + 1
    if not any(number > 1 for number in shared.values()):
        return {}, "no two people rated the same dialogue"
    rows = [
        Rating(name, blind_id, rater, value)
        for at, name in enumerate(COLUMNS)
        for rater, scores_of in sorted(ratings.people.items())
        for blind_id, scores in sorted(scores_of.items())
        if not math.isnan(value := _row(scores)[at])
    ]
    levels: dict[str, Level] = {
        name: "interval" if name == TOTAL else "ordinal" for name in {row.item for row in rows}
    }
    return agreement(rows, levels), None


def _row(scores: Scores) -> list[float]:
    """The four scores and the total, NaN where missing."""
    total = normalised_total(scores)
    return [
        *(float(scores.get(dimension.name, math.nan)) for dimension in DIMENSIONS),
        math.nan if total is None else total,
    ]


def _mean(one: Estimate) -> float:
    assert one.mean is not None
    return round(one.mean, _ROUNDED)


def _drawn_means(values: Sequence[float], generator: np.random.Generator) -> NDArray[np.float64]:
    """Means of draws with replacement; equal values are drawn together, as one multinomial."""
    kinds, sizes = np.unique(np.round(values, _ROUNDED), return_counts=True)
    n = len(values)
    drawn = generator.multinomial(n, sizes / n, size=DRAWS)
    return np.asarray(np.round(drawn @ kinds / n, _ROUNDED))
