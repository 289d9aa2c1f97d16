from __future__ import annotations

import random
import warnings

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from mi_arena.miti.icc import icc_11, icc_a1, icc_c1
from mi_arena.miti.ratings import Coefficient

NAN = float("nan")
SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]
ALL = [icc_a1, icc_c1, icc_11]


def limits(found: Coefficient) -> tuple[float, float, float]:
    assert found.value is not None and found.ci_low is not None and found.ci_high is not None
    return found.value, found.ci_low, found.ci_high


@pytest.mark.parametrize(
    ("coefficient", "value", "low", "high"),
    [
        # Shrout and Fleiss 1979, table 4; the intervals as R's psych::ICC gives them for it.
        (icc_11, 0.17, -0.133, 0.723),
        (icc_a1, 0.29, 0.019, 0.761),
        (icc_c1, 0.71, 0.342, 0.946),
    ],
)
def test_the_example_of_shrout_and_fleiss(
    coefficient: object, value: float, low: float, high: float
) -> None:
    found = coefficient(SHROUT_FLEISS)  # type: ignore[operator]
    assert round(found.value, 2) == value
    assert found.ci_low == pytest.approx(low, abs=6e-4)
    assert found.ci_high == pytest.approx(high, abs=6e-4)
    assert (found.n_targets, found.reason) == (6, None)


def by_pingouin(matrix: NDArray[np.float64]) -> dict[str, tuple[float, float, float]]:
    targets, raters = np.indices(matrix.shape)
    long = pd.DataFrame({"t": targets.ravel(), "r": raters.ravel(), "v": matrix.ravel()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pingouin.intraclass_corr(long, "t", "r", "v", nan_policy="omit").set_index("Type")
    columns = [c for c in table.columns if c.startswith("CI95")]
    return {
        name: (float(row["ICC"]), float(row[columns[0]][0]), float(row[columns[0]][1]))
        for name, row in table.iterrows()
    }


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_pingouin_finds_the_same(
    seed: int, missing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its intervals are rounded to two digits unless it is told otherwise.
    monkeypatch.setitem(pingouin.options, "round.column.CI95", None)
    generator = np.random.default_rng(seed)
    n, k = int(generator.integers(5, 40)), int(generator.integers(2, 5))
    matrix = generator.normal(size=(n, 1)) * generator.uniform(0, 3) + generator.normal(size=(n, k))
    matrix = np.round(matrix + generator.normal(size=(1, k)), 1)
    holes = generator.random(matrix.shape) < missing
    holes[:2] = False
    matrix[holes] = NAN
    complete = matrix[~np.isnan(matrix).any(axis=1)]
    theirs = by_pingouin(complete)
    assert limits(icc_a1(matrix)) == pytest.approx(theirs["ICC(A,1)"], abs=5e-7)
    assert limits(icc_c1(matrix)) == pytest.approx(theirs["ICC(C,1)"], abs=5e-7)
    assert limits(icc_11(complete)) == pytest.approx(theirs["ICC(1,1)"], abs=5e-7)
    assert icc_a1(matrix).n_targets == icc_c1(matrix).n_targets == len(complete)


def test_one_way_with_unequal_numbers_of_ratings() -> None:
    """Against the analysis of variance written out target by target."""
    matrix = [[1, 2, NAN, NAN], [4, NAN, 5, 6], [NAN, 8, 8, NAN], [3, 3, 5, 4], [9, NAN, NAN, NAN]]
    groups = [[1, 2], [4, 5, 6], [8, 8], [3, 3, 5, 4]]
    every = [value for group in groups for value in group]
    n, total = len(groups), len(every)
    grand = sum(every) / total
    between = sum(len(g) * (sum(g) / len(g) - grand) ** 2 for g in groups) / (n - 1)
    within = sum((v - sum(g) / len(g)) ** 2 for g in groups for v in g) / (total - n)
    k0 = (total - sum(len(g) ** 2 for g in groups) / total) / (n - 1)
    ratio = between / within
    low = ratio / f_distribution.ppf(0.975, n - 1, total - n)
    high = ratio * f_distribution.ppf(0.975, total - n, n - 1)
    expected = tuple((x - 1) / (x + k0 - 1) for x in (ratio, low, high))
    assert limits(icc_11(matrix)) == pytest.approx(expected)
    assert icc_11(matrix).n_targets == 4


@pytest.mark.parametrize(
    ("coefficient", "matrix", "n_targets", "reason"),
    [
        (icc_a1, [[1], [2]], 0, "fewer than two raters"),
        (icc_c1, [[1], [2]], 0, "fewer than two raters"),
        (icc_11, [[1], [2]], 0, "fewer than two raters"),
        (icc_a1, np.empty((0, 0)), 0, "fewer than two raters"),
        (icc_a1, [[1, NAN], [NAN, 2]], 0, "no target was rated by both raters"),
        (icc_c1, [[1, 2, NAN], [NAN, 2, 3]], 0, "no target was rated by all 3 raters"),
        (icc_11, [[1, NAN], [NAN, 2]], 0, "no target has two ratings"),
        (icc_a1, [[1, 2], [NAN, 2]], 1, "only one target was rated by both raters"),
        (icc_11, [[1, 2], [NAN, 2]], 1, "only one target has two ratings"),
        (icc_a1, [[3, 3], [3, 3], [3, 3]], 3, "every rating is the same"),
        (icc_c1, [[3, 3], [3, 3], [3, 3]], 3, "every rating is the same"),
        (icc_11, [[3, 3], [3, 3], [3, 3]], 3, "every rating is the same"),
        (icc_11, [[0.1 + 0.2, 0.3], [0.3, 0.1 + 0.2]], 2, "every rating is the same"),
        (icc_c1, [[1, 2], [1, 2], [1, 2]], 3, "no rater told any target from another"),
        (icc_a1, [[0, 1], [1, 0]], 2, "neither targets nor raters differ on average"),
    ],
)
def test_what_is_undefined_says_why(
    coefficient: object, matrix: object, n_targets: int, reason: str
) -> None:
    found = coefficient(matrix)  # type: ignore[operator]
    assert (found.value, found.ci_low, found.ci_high) == (None, None, None)
    assert found.n_targets == n_targets
    assert reason in found.reason


@pytest.mark.parametrize(
    ("matrix", "value"), [([[1, 2], [1, 2], [1, 2]], 0.0), ([[1, 4, 5], [2, 3, 5]], -1 / 19)]
)
def test_a_value_without_an_interval_says_why(matrix: list[list[int]], value: float) -> None:
    found = icc_a1(matrix)
    assert found.value == pytest.approx(value)
    assert (found.ci_low, found.ci_high) == (None, None)
    assert found.reason and "interval" in found.reason


@pytest.mark.parametrize("matrix", [[1, 2, 3], [[1, float("inf")], [2, 3]]])
def test_what_is_not_a_matrix_of_ratings_is_refused(matrix: object) -> None:
    with pytest.raises(ValueError, match="rating"):
        icc_a1(matrix)  # type: ignore[arg-type]


SCORES = arrays(
    np.float64,
    st.tuples(st.integers(2, 8), st.integers(2, 5)),
    elements=st.integers(1, 5).map(float),
)


@given(SCORES, st.randoms())
@example(np.array([[1.0, 2, 2, 3], [1, 1, 1, 5]]), random.Random(0))
@example(np.array([[1.0, 4, 5], [2, 3, 5]]), random.Random(0))
@settings(deadline=None)
def test_which_rater_is_which_does_not_matter(
    matrix: NDArray[np.float64], random: random.Random
) -> None:
    order = list(range(matrix.shape[1]))
    random.shuffle(order)
    for coefficient in ALL:
        one, other = coefficient(matrix), coefficient(matrix[:, order])
        assert one.reason == other.reason
        if one.value is not None:
            assert other.value == pytest.approx(one.value, abs=1e-9)
        if one.ci_low is not None and one.ci_high is not None:
            assert other.ci_low == pytest.approx(one.ci_low, abs=1e-6)
            assert other.ci_high == pytest.approx(one.ci_high, abs=1e-6)
            assert one.ci_low <= one.ci_high + 1e-12


@given(SCORES, st.integers(1, 4))
@settings(deadline=None)
def test_a_stricter_rater_lowers_absolute_agreement_alone(
    matrix: NDArray[np.float64], constant: int
) -> None:
    """From raters who are equally strict on average; otherwise a constant may mend a bias."""
    fair = matrix - matrix.mean(axis=0)
    stricter = fair.copy()
    stricter[:, 0] -= constant
    before, after = icc_c1(fair), icc_c1(stricter)
    if before.value is None:
        # What rounding left of nothing may not be told from the constant, but is no agreement.
        assert after.value is None
        return
    assert after.value == pytest.approx(before.value, abs=1e-9)
    absolute = icc_a1(fair)
    if absolute.value is not None and absolute.value > 0:
        assert icc_a1(stricter).value <= absolute.value + 1e-12  # type: ignore[operator]


@given(
    st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=2, max_size=9, unique=True),
    st.integers(2, 5),
)
@settings(deadline=None)
def test_perfect_agreement_is_one(scores: list[float], raters: int) -> None:
    rounded = sorted({round(score, 2) for score in scores})
    if len(rounded) < 2:
        return
    matrix = np.repeat(np.array(rounded)[:, None], raters, axis=1)
    for coefficient in ALL:
        assert limits(coefficient(matrix)) == pytest.approx((1, 1, 1))


@given(SCORES, st.floats(-1e6, 1e6), st.floats(0.01, 100))
@settings(deadline=None)
def test_the_unit_of_the_scale_does_not_matter(
    matrix: NDArray[np.float64], shift: float, factor: float
) -> None:
    for coefficient in ALL:
        one, other = coefficient(matrix), coefficient(shift + factor * matrix)
        if one.value is not None and one.reason is None:
            assert other.value == pytest.approx(one.value, abs=1e-5)
