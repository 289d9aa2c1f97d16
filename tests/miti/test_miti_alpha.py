from __future__ import annotations

import time
from typing import get_args

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mi_arena.miti.alpha import Level, alpha

NAN = float("nan")
LEVELS: tuple[Level, ...] = get_args(Level)

# Krippendorff 2011, section C: four observers, twelve units, missing data.
FOUR_OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T


@pytest.mark.parametrize(
    ("level", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_the_example_of_krippendorff(level: Level, value: float) -> None:
    found = alpha(FOUR_OBSERVERS, level)
    assert found.value == pytest.approx(value, abs=5e-4)
    # The twelfth unit has one rating: it pairs with nothing.
    assert (found.n_targets, found.reason) == (11, None)
    assert found.ci_low is not None and found.ci_high is not None
    assert found.ci_low < found.value < found.ci_high <= 1  # type: ignore[operator]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(8))
def test_the_library_finds_the_same(seed: int, level: Level) -> None:
    random = np.random.default_rng(seed)
    n, k = int(random.integers(4, 50)), int(random.integers(2, 7))
    truth = random.integers(1, 7, (n, 1))
    matrix = (truth + random.integers(-1, 2, (n, k))).astype(float)
    matrix[random.random(matrix.shape) < random.uniform(0, 0.4)] = NAN
    if level == "interval":
        matrix = matrix / 3 + 1000
    expected = krippendorff.alpha(reliability_data=matrix.T, level_of_measurement=level)
    assert alpha(matrix, level).value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_the_interval_is_that_of_drawing_targets_one_by_one(level: Level) -> None:
    random = np.random.default_rng(3)
    drawn = []
    matrix = np.clip(random.integers(1, 6, (40, 1)) + random.integers(-1, 2, (40, 3)), 1, 5)
    matrix = np.where(random.random(matrix.shape) < 0.1, NAN, matrix)
    pairable = matrix[(~np.isnan(matrix)).sum(axis=1) >= 2]
    for _ in range(1000):
        sample = pairable[random.integers(0, len(pairable), len(pairable))]
        drawn.append(krippendorff.alpha(reliability_data=sample.T, level_of_measurement=level))
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = alpha(matrix, level)
    assert found.ci_low == pytest.approx(low, abs=0.03)
    assert found.ci_high == pytest.approx(high, abs=0.03)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("matrix", "n_targets", "reason"),
    [
        ([[1], [2]], 0, "fewer than two raters"),
        ([[1, NAN], [NAN, 2]], 0, "no target has two ratings"),
        ([[1, 2], [NAN, 2]], 1, "only one target has two ratings"),
        ([[2, 2], [2, 2], [5, NAN]], 2, "every rating is the same"),
    ],
)
def test_what_is_undefined_says_why(
    matrix: object, n_targets: int, reason: str, level: Level
) -> None:
    found = alpha(matrix, level)  # type: ignore[arg-type]
    assert (found.value, found.ci_low, found.ci_high) == (None, None, None)
    assert found.n_targets == n_targets
    assert found.reason and reason in found.reason


RATINGS = arrays(
    np.float64,
    st.tuples(st.integers(2, 8), st.integers(2, 4)),
    elements=st.one_of(st.just(NAN), st.integers(1, 5).map(float)),
)


@given(RATINGS, st.randoms(), st.sampled_from(LEVELS))
@settings(deadline=None, max_examples=60)
def test_neither_raters_nor_the_order_of_targets_matter(
    matrix: NDArray[np.float64], random: object, level: Level
) -> None:
    """Not even to the interval: what counts is how often each target got each value."""
    columns, rows = list(range(matrix.shape[1])), list(range(matrix.shape[0]))
    random.shuffle(columns)  # type: ignore[attr-defined]
    random.shuffle(rows)  # type: ignore[attr-defined]
    one, other = alpha(matrix, level), alpha(matrix[rows][:, columns], level)
    assert (one.reason, one.n_targets) == (other.reason, other.n_targets)
    if one.value is not None:
        assert other.value == pytest.approx(one.value, abs=1e-12)
        assert one.value <= 1
    if one.ci_low is not None and one.ci_high is not None:
        assert other.ci_low == pytest.approx(one.ci_low, abs=1e-12)
        assert other.ci_high == pytest.approx(one.ci_high, abs=1e-12)


@given(
    st.lists(st.floats(-100, 100).map(lambda x: round(x, 2)), min_size=2, max_size=9, unique=True),
    st.integers(2, 5),
    st.sampled_from(LEVELS),
)
@settings(deadline=None, max_examples=60)
def test_perfect_agreement_is_one(scores: list[float], raters: int, level: Level) -> None:
    matrix = np.repeat(np.array(scores)[:, None], raters, axis=1)
    assert alpha(matrix, level).value == 1


def test_688_targets_and_ten_raters_take_about_a_second() -> None:
    random = np.random.default_rng(1)
    matrix = np.clip(random.integers(0, 5, (688, 1)) + random.integers(-2, 3, (688, 10)), 0, 4)
    for level in LEVELS:
        begin = time.process_time()
        alpha(matrix.astype(float), level)
        assert time.process_time() - begin < 4, "a loop over draws or targets has come in"
