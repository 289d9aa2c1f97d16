"""Krippendorff's alpha for nominal, ordinal and interval ratings, with missing ones.

A matrix of ratings in, a coefficient out. Knows nothing of items, files or MITI.

After Krippendorff K, Computing Krippendorff's Alpha-Reliability (2011), sections C to E. Interval:
the bootstrap over targets of `mi_arena.miti.bootstrap`, not Krippendorff's own over pairs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mi_arena.miti.bootstrap import Matrix, bootstrapped
from mi_arena.miti.kappa import ONE_CATEGORY, category_counts
from mi_arena.miti.ratings import Coefficient, as_ratings, too_few_with_two, with_two_ratings

Level = Literal["nominal", "ordinal", "interval"]


def alpha(ratings: ArrayLike, level: Level) -> Coefficient:
    """Krippendorff's alpha of ``ratings``, (targets, raters), NaN for missing.

    Every target with two or more ratings counts; a single rating pairs with nothing. For
    ``nominal`` the numbers only stand for categories. Each draw of the bootstrap takes the ordinal
    distances anew from what it drew; for an ordinal scale with hundreds of values that shifts the
    interval downwards.
    """
    matrix = with_two_ratings(as_ratings(ratings))
    reason = too_few_with_two(*matrix.shape)
    if reason:
        return Coefficient.undefined(len(matrix), reason)
    values, counts = category_counts(matrix)
    kinds, sizes = np.unique(counts, axis=0, return_counts=True)
    # Centred: the distances stay, and sums of squares lose no digits.
    centred = values - values.mean()

    def statistic(weights: Matrix) -> Matrix:
        if level == "nominal":
            observed, expected = _nominal(weights, kinds)
        else:
            positions = _midranks(weights @ kinds) if level == "ordinal" else centred[None]
            observed, expected = _squared(weights, kinds, positions)
        totals = weights @ kinds
        varied = (totals > 0).sum(axis=1) > 1
        disagreement = np.divide(
            (totals.sum(axis=1) - 1) * observed, expected, out=np.zeros(len(weights)), where=varied
        )
        return np.where(varied, 1 - disagreement, np.nan)

    return bootstrapped(statistic, sizes, ONE_CATEGORY)


def _nominal(weights: Matrix, kinds: Matrix) -> tuple[Matrix, Matrix]:
    """Observed and expected disagreement, unnormalised, for distances 0 (equal) and 1."""
    size = kinds.sum(axis=1)
    within = (size**2 - (kinds**2).sum(axis=1)) / (size - 1)
    totals = weights @ kinds
    return weights @ within, totals.sum(axis=1) ** 2 - (totals**2).sum(axis=1)


def _squared(weights: Matrix, kinds: Matrix, positions: Matrix) -> tuple[Matrix, Matrix]:
    """The same for squared distances between the positions of values, (draws or 1, values).

    The squared differences of all ordered pairs of m numbers add up to 2 (m S2 - S1^2).
    """
    size = kinds.sum(axis=1)
    first, second = positions @ kinds.T, positions**2 @ kinds.T
    several = (kinds > 0).sum(axis=1) > 1
    within = np.where(several, 2 * (size * second - first**2) / (size - 1), 0.0)
    totals = weights @ kinds
    n = totals.sum(axis=1)
    first_all, second_all = (totals * positions).sum(axis=1), (totals * positions**2).sum(axis=1)
    return (weights * within).sum(axis=1), 2 * (n * second_all - first_all**2)


def _midranks(totals: Matrix) -> Matrix:
    """Where each value stands on the ordinal scale that (draws, values) totals make.

    The ordinal distance of values c < k is the number of ratings from c to k, half of those at
    either end: the difference of their mid-ranks. Centred on the middle of all ratings.
    """
    return np.cumsum(totals, axis=1) - totals / 2 - totals.sum(axis=1, keepdims=True) / 2
