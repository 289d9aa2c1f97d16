"""Kappas: agreement beyond chance on categories, and plain shares of agreement.

A matrix of ratings in, a coefficient out; intervals by `bootstrap`. Knows nothing of items, files
or MITI.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mi_arena.miti.bootstrap import Matrix, bootstrapped
from mi_arena.miti.ratings import (
    Coefficient,
    as_ratings,
    complete_targets,
    too_few,
    too_few_with_two,
    with_two_ratings,
)

_SAME = 1e-9
"""Ratings closer than this are equal: 66.7 from one division and from another."""

ONE_CATEGORY = "every rating is the same: agreement beyond chance is undefined"


def kappa(ratings: ArrayLike) -> Coefficient:
    """Cohen's kappa for two raters, Fleiss' for more; see :func:`cohen_kappa`."""
    matrix = as_ratings(ratings)
    return fleiss_kappa(matrix) if matrix.shape[1] > 2 else cohen_kappa(matrix)


def cohen_kappa(ratings: ArrayLike) -> Coefficient:
    """Cohen's kappa (1960, Educational and Psychological Measurement 20(1):37-46).

    ``ratings`` is (targets, 2); numbers stand for categories, and targets that both rated count.
    """
    matrix = as_ratings(ratings)
    if matrix.shape[1] > 2:
        raise ValueError(f"Cohen's kappa is of two raters, not of {matrix.shape[1]}")
    complete = complete_targets(matrix)
    reason = too_few(*complete.shape)
    if reason:
        return Coefficient.undefined(len(complete), reason)
    kinds, sizes = np.unique(_categories(complete), axis=0, return_counts=True)
    same = (kinds[:, 0] == kinds[:, 1]).astype(np.float64)
    first, second = (np.eye(int(kinds.max()) + 1)[kinds[:, rater]] for rater in (0, 1))

    def statistic(weights: Matrix) -> Matrix:
        n = weights.sum(axis=1)
        chance = ((weights @ first) * (weights @ second)).sum(axis=1)
        return _ratio(n * (weights @ same) - chance, n**2 - chance)

    return bootstrapped(statistic, sizes, ONE_CATEGORY)


def fleiss_kappa(ratings: ArrayLike) -> Coefficient:
    """Fleiss' kappa (1971, Psychological Bulletin 76(5):378-382).

    ``ratings`` is (targets, raters); numbers stand for categories. It needs equally many ratings
    a target, so targets that every rater rated count.
    """
    complete = complete_targets(as_ratings(ratings))
    reason = too_few(*complete.shape)
    if reason:
        return Coefficient.undefined(len(complete), reason)
    k = complete.shape[1]
    kinds, sizes = np.unique(category_counts(complete)[1], axis=0, return_counts=True)
    agreeing = (kinds**2).sum(axis=1) - k

    def statistic(weights: Matrix) -> Matrix:
        n = weights.sum(axis=1)
        observed = weights @ agreeing / (n * k * (k - 1))
        totals = weights @ kinds
        chance = (totals**2).sum(axis=1)
        expected = chance / (n * k) ** 2
        # Whole numbers, so that a single category is a zero and not what rounding leaves of it.
        return np.where(chance < (n * k) ** 2, _ratio(observed - expected, 1 - expected), np.nan)

    return bootstrapped(statistic, sizes, ONE_CATEGORY)


def weighted_kappa(ratings: ArrayLike) -> Coefficient:
    """Quadratic-weighted kappa (Cohen 1968, Psychological Bulletin 70(4):213-220), the mean over
    rater pairs.

    ``ratings`` is (targets, raters) of whole numbers, which are the categories. A pair counts
    with the targets that both rated, if there are two; pairs of which it is undefined are left
    out of the mean. By moments, for raters x and y: with weights (x - y)^2 kappa is
    2 (n Sxy - Sx Sy) / (n Sxx + n Syy - 2 Sx Sy), S being sums over targets.
    """
    matrix = with_two_ratings(as_ratings(ratings))
    n_targets, raters = matrix.shape
    reason = too_few_with_two(n_targets, raters)
    if reason:
        return Coefficient.undefined(n_targets, reason)
    rated = ~np.isnan(matrix)
    if (matrix[rated] % 1).any():
        return Coefficient.undefined(n_targets, "needs ratings that are whole numbers")
    shared = rated.T.astype(np.int64) @ rated
    if not (shared[np.triu_indices(raters, 1)] >= 2).any():
        return Coefficient.undefined(n_targets, "no two raters rated two targets in common")
    # np.unique takes two rows with a missing rating for two different ones: infinity stands in.
    kinds, sizes = np.unique(np.where(rated, matrix, np.inf), axis=0, return_counts=True)
    there = np.isfinite(kinds).astype(np.float64)
    # Shifting all ratings changes no difference; small whole numbers keep the sums exact.
    values = np.where(there > 0, kinds - np.round(matrix[rated].mean()), 0.0)

    def statistic(weights: Matrix) -> Matrix:
        total, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for rater in range(raters - 1):
            x, x_there = values[:, [rater]], there[:, [rater]]
            y, y_there = values[:, rater + 1 :], there[:, rater + 1 :]
            n = weights @ (x_there * y_there)
            sum_x, sum_y = weights @ (x * y_there), weights @ (x_there * y)
            cross = n * (weights @ (x * y)) - sum_x * sum_y
            squares = n * (weights @ (x**2 * y_there + x_there * y**2)) - 2 * sum_x * sum_y
            found = np.where(n >= 2, _ratio(2 * cross, squares), np.nan)
            total += np.nansum(found, axis=1)
            pairs += (~np.isnan(found)).sum(axis=1)
        return _ratio(total, pairs)

    varied = len(np.unique(matrix[rated])) > 1
    undefined = "no two raters varied on the targets that both rated" if varied else ONE_CATEGORY
    return bootstrapped(statistic, sizes, undefined)


def agreement_within(ratings: ArrayLike, distance: float) -> float | None:
    """Share of equal ratings (``distance`` 0) or of those at most ``distance`` apart.

    Over all pairs of ratings of the same target, in [0, 1]; ``None`` where no target has two.
    """
    matrix = as_ratings(ratings)
    agreeing = pairs = 0
    for one, other in combinations(matrix.T, 2):
        apart = np.abs(one - other)
        agreeing += int((apart <= distance + _SAME).sum())
        pairs += int((~np.isnan(apart)).sum())
    return agreeing / pairs if pairs else None


def category_counts(ratings: Matrix) -> tuple[Matrix, Matrix]:
    """The values used, ascending, and (targets, values) how many ratings of each a target has."""
    rated = ~np.isnan(ratings)
    values, number = np.unique(ratings[rated], return_inverse=True)
    counts = np.zeros((len(ratings), len(values)))
    np.add.at(counts, (np.nonzero(rated)[0], number), 1)
    return values, counts


def _categories(ratings: Matrix) -> NDArray[np.int64]:
    """Ratings without missing ones as numbers 0, 1, ... of their values."""
    return np.unique(ratings, return_inverse=True)[1].reshape(ratings.shape).astype(np.int64)


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    """NaN where ``below`` is 0."""
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
