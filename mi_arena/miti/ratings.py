"""What every coefficient of agreement shares: a matrix of ratings, and the answer with its reason.

Knows which targets can be used, not what is computed from them; nothing of items, files or MITI.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ONE_RATER = "fewer than two raters: agreement needs two"


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of agreement with its 95 % interval.

    Both are ``None`` where undefined; ``reason`` then says why. A value without an interval has a
    reason too. An interval without width, as [1, 1], means that these targets showed no
    disagreement, not that there is none.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n_targets: int
    """How many targets the value rests on."""
    reason: str | None = None

    @classmethod
    def undefined(cls, n_targets: int, reason: str) -> Coefficient:
        return cls(None, None, None, n_targets, reason)


def as_ratings(ratings: ArrayLike) -> NDArray[np.float64]:
    """Ratings as (targets, raters), NaN for missing; raises ``ValueError`` for anything else."""
    matrix = np.asarray(ratings, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"ratings are a matrix, targets by raters, not of shape {matrix.shape}")
    if np.isinf(matrix).any():
        raise ValueError("a rating is infinite; leave it out (NaN) if there is none")
    return matrix


def complete_targets(ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """The targets that every rater rated; none where there is nobody to agree with."""
    return ratings[(ratings.shape[1] > 1) & ~np.isnan(ratings).any(axis=1)]


def too_few(complete: int, raters: int) -> str | None:
    """Why coefficients over targets that all rated are undefined, if there are too few."""
    if raters < 2:
        return ONE_RATER
    who = "both raters" if raters == 2 else f"all {raters} raters"
    if complete == 0:
        return f"no target was rated by {who}"
    if complete == 1:
        return f"only one target was rated by {who}: two are needed"
    return None


def with_two_ratings(ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """The targets with two or more ratings: a single one agrees with nothing."""
    return ratings[(~np.isnan(ratings)).sum(axis=1) >= 2]


def too_few_with_two(targets: int, raters: int) -> str | None:
    """Why coefficients over targets with two ratings are undefined, if there are too few."""
    if raters < 2:
        return ONE_RATER
    if targets == 0:
        return "no target has two ratings"
    return "only one target has two ratings: two are needed" if targets == 1 else None
