from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_statsmodels

from mi_arena.miti.bootstrap import bootstrapped
from mi_arena.miti.kappa import (
    agreement_within,
    cohen_kappa,
    fleiss_kappa,
    kappa,
    weighted_kappa,
)
from mi_arena.miti.ratings import Coefficient

NAN = float("nan")
Matrix = NDArray[np.float64]

# Fleiss' kappa as worked out on Wikipedia: 10 targets, 14 ratings each, in 5 categories.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def from_counts(counts: list[list[int]]) -> Matrix:
    """(targets, raters) with as many ratings of each category as the counts say."""
    return np.array([np.repeat(np.arange(len(row)), row) for row in counts], dtype=float)


def from_square(table: list[list[int]]) -> Matrix:
    """(targets, 2) from the table of two raters' categories."""
    rows = [
        (one, other)
        for one, row in enumerate(table)
        for other, n in enumerate(row)
        for _ in range(n)
    ]
    return np.array(rows, dtype=float)


def test_fleiss_on_ten_targets_and_fourteen_raters() -> None:
    found = fleiss_kappa(from_counts(FOURTEEN_RATERS))
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert (found.n_targets, found.reason) == (10, None)
    assert kappa(from_counts(FOURTEEN_RATERS)) == found


@pytest.mark.parametrize(
    ("table", "value"),
    [
        # Wikipedia's worked examples of Cohen's kappa.
        ([[20, 5], [10, 15]], 0.40),
        ([[45, 15], [25, 15]], 0.1304),
        ([[25, 35], [5, 35]], 0.2593),
    ],
)
def test_cohen_on_worked_examples(table: list[list[int]], value: float) -> None:
    found = kappa(from_square(table))
    assert found.value == pytest.approx(value, abs=5e-5)
    assert found.n_targets == sum(map(sum, table))


def test_the_interval_is_about_that_of_the_large_sample_formula() -> None:
    """Fleiss, Cohen and Everitt's (1969) standard error, written out for two categories."""
    table = np.array([[90, 20], [30, 160]])
    found = cohen_kappa(from_square(table.tolist()))
    p = table / table.sum()
    row, column = p.sum(axis=1), p.sum(axis=0)
    chance = float(row @ column)
    value = (np.trace(p) - chance) / (1 - chance)
    a = sum(p[i, i] * (1 - (row[i] + column[i]) * (1 - value)) ** 2 for i in range(2))
    b = (1 - value) ** 2 * sum(
        p[i, j] * (column[i] + row[j]) ** 2 for i in range(2) for j in range(2) if i != j
    )
    c = (value - chance * (1 - value)) ** 2
    error = np.sqrt((a + b - c) / table.sum()) / (1 - chance)
    assert found.value == pytest.approx(value)
    assert found.ci_low == pytest.approx(value - 1.96 * error, abs=0.015)
    assert found.ci_high == pytest.approx(value + 1.96 * error, abs=0.015)


@pytest.mark.parametrize("seed", range(10))
def test_other_libraries_find_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, k, q = int(random.integers(5, 60)), int(random.integers(3, 6)), int(random.integers(2, 6))
    truth = random.integers(0, q, (n, 1))
    matrix = np.where(random.random((n, k)) < 0.6, truth, random.integers(0, q, (n, k)))
    matrix = matrix.astype(float)
    assert fleiss_kappa(matrix).value == pytest.approx(
        fleiss_of_statsmodels(aggregate_raters(matrix.astype(int))[0])
    )
    assert cohen_kappa(matrix[:, :2]).value == pytest.approx(
        cohen_kappa_score(matrix[:, 0], matrix[:, 1])
    )
    matrix[random.random(matrix.shape) < 0.15] = NAN
    complete = matrix[~np.isnan(matrix).any(axis=1)]
    if len(complete) >= 2 and len(np.unique(complete)) > 1:
        found = fleiss_kappa(matrix)
        assert found.value == pytest.approx(
            fleiss_of_statsmodels(aggregate_raters(complete.astype(int))[0])
        )
        assert found.n_targets == len(complete)
    expected = []
    for one, other in combinations(range(k), 2):
        both = ~np.isnan(matrix[:, [one, other]]).any(axis=1)
        pair = matrix[both][:, [one, other]].astype(int)
        # All categories are named: else it weighs by place among those that the pair used.
        expected.append(
            cohen_kappa_score(pair[:, 0], pair[:, 1], labels=range(q), weights="quadratic")
        )
    assert weighted_kappa(matrix).value == pytest.approx(np.mean(expected))


def weighted_by_definition(one: Matrix, other: Matrix) -> float:
    """1 - sum w o / sum w e over the table of categories, w = (i - j)^2."""
    categories = range(int(min(one.min(), other.min())), int(max(one.max(), other.max())) + 1)
    n = len(one)
    observed = expected = 0.0
    for i in categories:
        for j in categories:
            observed += (i - j) ** 2 * float(((one == i) & (other == j)).sum()) / n
            expected += (i - j) ** 2 * float((one == i).sum()) * float((other == j).sum()) / n**2
    return 1 - observed / expected


@pytest.mark.parametrize("shift", [0, -7, 1_000_000])
def test_weighted_kappa_by_its_definition(shift: int) -> None:
    """Categories that nobody used, negative numbers and far ones change nothing."""
    one = np.array([1, 2, 2, 5, 5, 4, 1, 2.0])
    other = np.array([1, 2, 4, 5, 4, 4, 2, 2.0])
    found = weighted_kappa(np.stack([one, other], axis=1) + shift)
    assert found.value == pytest.approx(weighted_by_definition(one, other))
    assert found.ci_low is not None and found.ci_high is not None
    assert found.ci_low < found.value < found.ci_high <= 1  # type: ignore[operator]


def test_pairs_without_variance_are_left_out_of_the_mean() -> None:
    """Raters 1 and 2 gave 3 throughout; each has a kappa of 0 with rater 3."""
    found = weighted_kappa([[3, 3, 1], [3, 3, 5], [3, 3, 4]])
    assert found.value == pytest.approx(0)


def test_the_bootstrap_draws_targets_as_one_by_one() -> None:
    """Against a plain loop: the same distribution, so the same limits but for chance."""
    random = np.random.default_rng(5)
    truth = random.integers(1, 6, 40)
    matrix = np.clip(truth[:, None] + random.integers(-1, 2, (40, 3)), 1, 5).astype(float)
    drawn = []
    for _ in range(2000):
        sample = matrix[random.integers(0, 40, 40)]
        # By chance every rating of one rater meets every one of the other.
        kappas = [
            1 - ((one - other) ** 2).mean() / ((one[:, None] - other) ** 2).mean()
            for one, other in combinations(sample.T, 2)
        ]
        drawn.append(np.mean(kappas))
    found = weighted_kappa(matrix)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.ci_low == pytest.approx(low, abs=0.02)
    assert found.ci_high == pytest.approx(high, abs=0.02)


@pytest.mark.parametrize(
    ("coefficient", "matrix", "n_targets", "reason"),
    [
        (kappa, [[1], [2]], 0, "fewer than two raters"),
        (weighted_kappa, [[1], [2]], 0, "fewer than two raters"),
        (kappa, [[1, NAN], [NAN, 2]], 0, "no target was rated by both raters"),
        (kappa, [[1, NAN, 2], [NAN, 2, 3]], 0, "no target was rated by all 3 raters"),
        (kappa, [[1, 2], [NAN, 2]], 1, "only one target was rated by both raters"),
        (weighted_kappa, [[1, NAN], [NAN, 2]], 0, "no target has two ratings"),
        (weighted_kappa, [[1, 2], [NAN, 2]], 1, "only one target has two ratings"),
        (
            weighted_kappa,
            [[1, 2, NAN], [NAN, 2, 3], [1, NAN, 3]],
            3,
            "no two raters rated two targets in common",
        ),
        (weighted_kappa, [[1, 2.5], [2, 3]], 2, "whole numbers"),
        (kappa, [[4, 4], [4, 4]], 2, "every rating is the same"),
        (kappa, [[4, 4, 4], [4, 4, 4]], 2, "every rating is the same"),
        (weighted_kappa, [[4, 4], [4, 4]], 2, "every rating is the same"),
        (weighted_kappa, [[4, 4, NAN]] * 2 + [[NAN, 2, 2]], 3, "no two raters varied"),
    ],
)
def test_what_is_undefined_says_why(
    coefficient: Callable[[object], Coefficient], matrix: object, n_targets: int, reason: str
) -> None:
    found = coefficient(matrix)
    assert (found.value, found.ci_low, found.ci_high) == (None, None, None)
    assert found.n_targets == n_targets
    assert found.reason and reason in found.reason


@pytest.mark.parametrize(("defined", "interval"), [(0.45, False), (0.55, True)])
def test_no_interval_where_most_draws_leave_it_undefined(defined: float, interval: bool) -> None:
    def statistic(weights: Matrix) -> Matrix:
        if len(weights) == 1:
            return np.array([0.5])
        values = np.linspace(0, 1, len(weights))
        return np.where(values < defined, values, np.nan)

    found = bootstrapped(statistic, np.array([3, 2]), "never")
    assert found.value == 0.5
    if interval:
        assert found.ci_low == pytest.approx(0.025 * defined, abs=1e-3)
        assert found.ci_high == pytest.approx(0.975 * defined, abs=1e-3)
        assert found.reason is None
    else:
        assert (found.ci_low, found.ci_high) == (None, None)
        assert found.reason and "more than half" in found.reason


def test_cohen_refuses_a_third_rater() -> None:
    with pytest.raises(ValueError, match="two raters"):
        cohen_kappa([[1, 2, 3], [1, 2, 3]])


@pytest.mark.parametrize(
    ("matrix", "exact", "within_one"),
    [
        ([[1, 1], [2, 3], [1, 3], [5, 5]], 2 / 4, 3 / 4),
        # Pairs of ratings, not targets, are what is counted: 3 of the first, 1 of the second.
        ([[1, 1, 2], [4, NAN, 1]], 1 / 4, 3 / 4),
        ([[200 / 3, 100 - 100 / 3]], 1.0, 1.0),
        ([[1, NAN], [NAN, 1]], None, None),
        ([[1], [2]], None, None),
    ],
)
def test_shares_of_agreement(matrix: object, exact: float | None, within_one: float | None) -> None:
    assert agreement_within(matrix, 0) == exact  # type: ignore[arg-type]
    assert agreement_within(matrix, 1) == within_one  # type: ignore[arg-type]


CODES = arrays(
    np.float64,
    st.tuples(st.integers(2, 8), st.integers(2, 4)),
    elements=st.integers(0, 3).map(float),
)


@given(CODES, st.randoms())
@settings(deadline=None, max_examples=40)
def test_which_rater_is_which_does_not_matter(matrix: Matrix, random: object) -> None:
    order = list(range(matrix.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    for coefficient in (kappa, weighted_kappa):
        one, other = coefficient(matrix), coefficient(matrix[:, order])
        assert one.reason == other.reason
        if one.value is not None:
            assert other.value == pytest.approx(one.value, abs=1e-12)


@given(CODES)
@settings(deadline=None, max_examples=40)
def test_names_of_categories_do_not_matter_to_kappa(matrix: Matrix) -> None:
    renamed = np.array([7.0, -2.0, 0.5, 100.0])[matrix.astype(int)]
    one, other = kappa(matrix), kappa(renamed)
    assert (one.value is None) == (other.value is None)
    if one.value is not None:
        assert other.value == pytest.approx(one.value, abs=1e-12)
        assert one.value <= 1


@given(st.lists(st.integers(-3, 9), min_size=2, max_size=9), st.integers(2, 5))
@settings(deadline=None, max_examples=40)
def test_perfect_agreement_is_one(codes: list[int], raters: int) -> None:
    matrix = np.repeat(np.array(codes, dtype=float)[:, None], raters, axis=1)
    for coefficient in (kappa, weighted_kappa):
        found = coefficient(matrix)
        assert found.value == (1.0 if len(set(codes)) > 1 else None)
