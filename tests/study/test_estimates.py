from __future__ import annotations

import math
from random import Random
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.study.estimates import DRAWS, SEED, Unit, estimates

NAN = math.nan
VALUES = st.lists(st.sampled_from([NAN, 0.0, 0.5, 1.0, 2.5, 4.0]), min_size=1, max_size=12)


def test_a_mean_its_spread_and_what_was_left_out() -> None:
    table = [[1.0, 5.0], [2.0, NAN], [6.0, NAN], [NAN, 2.0]]
    first, second = estimates(table, ["not rated", "no questions"], "dialogue")
    assert (first.mean, first.sd, first.n, first.left_out) == (3.0, pytest.approx(7**0.5), 3, 1)
    assert (second.mean, second.sd, second.n, second.left_out) == (
        3.5,
        pytest.approx(4.5**0.5),
        2,
        2,
    )
    assert (first.left_out_reason, second.left_out_reason) == ("not rated", "no questions")
    assert first.reason is None and second.reason is None
    assert first.method == "95 % percentile bootstrap over dialogues, 2000 draws, seed 0"
    assert "over matches" in estimates(table, ["", ""], "match")[0].method


@pytest.mark.parametrize(
    ("values", "unit", "mean_", "sd", "reason"),
    [
        ([], "dialogue", None, None, "there is no dialogue"),
        ([], "match", None, None, "there is no match"),
        ([NAN], "dialogue", None, None, "undefined in the only dialogue: not rated"),
        ([NAN, NAN], "match", None, None, "undefined in all 2 matches: not rated"),
        ([4.0, NAN], "dialogue", 4.0, None, "only one dialogue: "),
        ([4.0], "match", 4.0, None, "only one match: "),
        ([3.0, 3.0, NAN], "dialogue", 3.0, 0.0, "every dialogue has the same value: "),
        ([0.0, 0.0], "match", 0.0, 0.0, "every match has the same value: "),
    ],
)
def test_what_is_undefined_says_why(
    values: list[float], unit: Unit, mean_: float | None, sd: float | None, reason: str
) -> None:
    (found,) = estimates([[value] for value in values], ["not rated"], unit)
    assert (found.mean, found.sd, found.low, found.high) == (mean_, sd, None, None)
    assert found.reason is not None and found.reason.startswith(reason)
    assert found.left_out == sum(math.isnan(value) for value in values)
    assert (found.left_out_reason is None) == (found.left_out == 0)


@pytest.mark.parametrize("n", [2, 7, 40, 1500])
def test_the_interval_is_the_percentile_bootstrap_of_the_mean(n: int) -> None:
    """Drawn here one draw after another; 1,500 rows do not fit into one block of draws there."""
    values = np.random.default_rng(5).normal(3, 1, n)
    (found,) = estimates(values[:, None], [None], "dialogue")
    generator = np.random.default_rng(SEED)
    ranked = np.sort(values)
    means = [ranked[generator.integers(n, size=n)].mean() for _ in range(DRAWS)]
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.mean == pytest.approx(mean(values)) and found.sd == pytest.approx(stdev(values))


def test_with_many_values_the_interval_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).exponential(2, 400)
    (found,) = estimates(values[:, None], [None], "dialogue")
    half = 1.96 * values.std(ddof=1) / 20
    assert found.low == pytest.approx(values.mean() - half, abs=half / 8)
    assert found.high == pytest.approx(values.mean() + half, abs=half / 8)


@settings(max_examples=40, deadline=None)
@given(columns=st.lists(VALUES, min_size=1, max_size=3), chance=st.randoms(use_true_random=False))
def test_neither_order_nor_neighbours_change_an_estimate(
    columns: list[list[float]], chance: Random
) -> None:
    rows = max(len(column) for column in columns)
    table = np.array([column + [NAN] * (rows - len(column)) for column in columns]).T
    reasons = ["why"] * len(columns)
    together = estimates(table, reasons, "dialogue")
    order = list(range(rows))
    chance.shuffle(order)
    assert estimates(table[order], reasons, "dialogue") == together
    for column, found in zip(table.T, together, strict=True):
        assert estimates(column[:, None], ["why"], "dialogue") == [found]
        assert found.n + found.left_out == rows
        if found.low is not None and found.high is not None and found.mean is not None:
            assert np.nanmin(column) <= found.low <= found.mean <= found.high <= np.nanmax(column)
