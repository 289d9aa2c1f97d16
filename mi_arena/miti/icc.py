"""Intraclass correlations of single ratings, with their 95 % intervals.

A matrix of ratings in, a coefficient out. Knows nothing of items, files or MITI.

After McGraw KO, Wong SP (1996), Psychological Methods 1(1):30-46 (the names, table 4 for the
coefficients, table 7 for the intervals), and Shrout PE, Fleiss JL (1979), Psychological Bulletin
86(2):420-428.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution

from mi_arena.miti.ratings import (
    Coefficient,
    as_ratings,
    complete_targets,
    too_few,
    too_few_with_two,
    with_two_ratings,
)

_TAIL = 0.975
"""Each tail of a 95 % interval holds 2.5 %."""
_ROUNDING = 1e-24
"""A sum of squares below this share of the ratings' own is what rounding leaves of a zero."""

_ALL_THE_SAME = "every rating is the same: without variance there is nothing to agree on"


def icc_a1(ratings: ArrayLike) -> Coefficient:
    """ICC(A,1): two-way, absolute agreement, single rater; Shrout and Fleiss's ICC(2,1).

    ``ratings`` is (targets, raters); only complete targets count. With the mean squares of
    targets R, raters C and error E, n targets and k raters (McGraw and Wong, table 4)::

        (R - E) / (R + (k - 1) E + k (C - E) / n)

    Interval: table 7, by Satterthwaite's approximation for the degrees of freedom. There is none
    where targets do not differ on average; with few targets and a negative value the
    approximation is so poor that the published formula may miss the value itself.
    """
    squares = _two_way(ratings)
    if isinstance(squares, Coefficient):
        return squares
    n, k = squares.n, squares.k
    rows, columns, error = squares.rows, squares.columns, squares.error
    divisor = rows + (k - 1) * error + k * (columns - error) / n
    if divisor <= 0:
        return Coefficient.undefined(n, "neither targets nor raters differ on average")
    value = (rows - error) / divisor
    if error == columns == 0:
        return Coefficient(value, value, value, n)
    # a and b of table 7, both times n (1 - value), which leaves v as it is and allows value 1.
    a = k * value
    b = n * (1 - value) + k * value * (n - 1)
    v_below = (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    if rows == 0 or v_below == 0:
        reason = "no interval: targets do not differ on average, so that its F has no freedom"
        return Coefficient(value, None, None, n, reason)
    # Above stands (a C + b E)^2; at the estimate a C + b E is R, which loses no digits.
    v = (n * (1 - value) * rows) ** 2 / v_below
    lower_f = float(f_distribution.ppf(_TAIL, n - 1, v))
    upper_f = float(f_distribution.ppf(_TAIL, v, n - 1))
    rest = k * columns + (k * n - k - n) * error
    # As v nears 0 one quantile goes to infinity, the other to 0; in these forms both limits hold.
    low = n * (rows / lower_f - error) / (rest + n * rows / lower_f)
    high = n * (upper_f * rows - error) / (rest + n * upper_f * rows)
    return Coefficient(value, low, high, n)


def icc_c1(ratings: ArrayLike) -> Coefficient:
    """ICC(C,1): two-way, consistency, single rater; Shrout and Fleiss's ICC(3,1).

    ``ratings`` is (targets, raters); only complete targets count. (R - E) / (R + (k - 1) E);
    blind to a rater who is always higher than another. Interval: table 7, F with n - 1 and
    (n - 1)(k - 1) degrees of freedom.
    """
    squares = _two_way(ratings)
    if isinstance(squares, Coefficient):
        return squares
    n, k = squares.n, squares.k
    if squares.rows == squares.error == 0:
        return Coefficient.undefined(n, "no rater told any target from another: no variance")
    return _by_f(squares.rows, squares.error, float(k), n, n - 1, (n - 1) * (k - 1))


def icc_11(ratings: ArrayLike) -> Coefficient:
    """ICC(1,1): one-way, single rater, for raters who vary from target to target.

    ``ratings`` is (targets, raters); every target with two or more ratings counts, and which
    rater gave which is ignored. With the mean squares between targets B and within them W and
    k0 ratings a target: (B - W) / (B + (k0 - 1) W). Where targets have k_i ratings, N in all,
    k0 = (N - sum k_i^2 / N) / (n - 1) (Donner A, 1986, International Statistical Review
    54(1):67-82); with equally many it is their number.

    Interval: McGraw and Wong's table 7 with k0 for k and n - 1 and N - n degrees of freedom;
    exact for equally many ratings a target, otherwise an approximation.
    """
    matrix = with_two_ratings(as_ratings(ratings))
    rated = ~np.isnan(matrix)
    n = len(matrix)
    reason = too_few_with_two(*matrix.shape)
    if reason:
        return Coefficient.undefined(n, reason)
    sizes = rated.sum(axis=1)
    total = int(sizes.sum())
    centred = np.where(rated, matrix - matrix[rated].mean(), 0.0)
    noise = _ROUNDING * float((matrix[rated] ** 2).sum())
    means = centred.sum(axis=1) / sizes
    grand = centred.sum() / total
    between = _zero_if_rounding((sizes * (means - grand) ** 2).sum(), noise) / (n - 1)
    deviations = np.where(rated, centred - means[:, None], 0.0)
    within = _zero_if_rounding((deviations**2).sum(), noise) / (total - n)
    if between == within == 0:
        return Coefficient.undefined(n, _ALL_THE_SAME)
    k0 = (total - float((sizes**2).sum()) / total) / (n - 1)
    return _by_f(between, within, k0, n, n - 1, total - n)


@dataclass(frozen=True)
class _TwoWay:
    """Mean squares of the two-way layout without replication."""

    rows: float
    columns: float
    error: float
    n: int
    k: int


def _two_way(ratings: ArrayLike) -> _TwoWay | Coefficient:
    """The mean squares of the complete targets, or why there are none."""
    given = as_ratings(ratings)
    matrix = complete_targets(given)
    n, k = matrix.shape
    reason = too_few(n, k)
    if reason:
        return Coefficient.undefined(n, reason)
    noise = _ROUNDING * float((matrix**2).sum())
    centred = matrix - matrix.mean()
    targets = centred.mean(axis=1, keepdims=True)
    raters = centred.mean(axis=0, keepdims=True)
    error = centred - targets - raters
    squares = _TwoWay(
        rows=_zero_if_rounding(k * (targets**2).sum(), noise) / (n - 1),
        columns=_zero_if_rounding(n * (raters**2).sum(), noise) / (k - 1),
        error=_zero_if_rounding((error**2).sum(), noise) / ((n - 1) * (k - 1)),
        n=n,
        k=k,
    )
    if squares.rows == squares.columns == squares.error == 0:
        return Coefficient.undefined(n, _ALL_THE_SAME)
    return squares


def _by_f(
    between: float, rest: float, k: float, n: int, df_between: int, df_rest: int
) -> Coefficient:
    """(between - rest) / (between + (k - 1) rest), its interval by the ratio's F distribution."""

    def correlation(large: float, small: float) -> float:
        return (large - small) / (large + (k - 1) * small)

    lower_f = float(f_distribution.ppf(_TAIL, df_between, df_rest))
    upper_f = float(f_distribution.ppf(_TAIL, df_rest, df_between))
    value = correlation(between, rest)
    # Without variance between targets all three are -1 / (k - 1), but for the last digit.
    low = min(value, correlation(between, rest * lower_f))
    high = max(value, correlation(between * upper_f, rest))
    return Coefficient(value, low, high, n)


def _zero_if_rounding(sum_of_squares: float, noise: float) -> float:
    return 0.0 if sum_of_squares <= noise else float(sum_of_squares)
