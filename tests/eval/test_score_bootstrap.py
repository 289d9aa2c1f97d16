"""Intervals against scipy and a plain loop, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from eval.score import bootstrap
from eval.score.bootstrap import Bootstrap, estimate


@pytest.fixture
def table() -> bootstrap.Matrix:
    """Twelve dialogues: their rounds, and their summed scores."""
    chance = np.random.default_rng(3)
    rounds = chance.integers(1, 9, 12)
    return np.stack([rounds, chance.normal(40, 12, 12) * rounds], axis=1).astype(np.float64)


def test_drawn_sums_are_those_of_drawing_dialogue_by_dialogue(table: bootstrap.Matrix) -> None:
    generator = np.random.default_rng(5)
    plain = [table[generator.integers(12, size=12)].sum(axis=0) for _ in range(40)]
    assert Bootstrap(40, 5).drawn_sums(table) == pytest.approx(np.array(plain))


def test_drawing_in_pieces_gives_as_many_draws_and_the_same_kind(
    table: bootstrap.Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Bootstrap(501, 0).drawn_sums(table)
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 120)
    pieces = Bootstrap(501, 0).drawn_sums(table)
    assert pieces.shape == whole.shape == (501, 2)
    assert pieces.mean(axis=0) == pytest.approx(whole.mean(axis=0), rel=0.05)


def test_interval_of_a_mean_of_rounds_like_scipy(table: bootstrap.Matrix) -> None:
    """A ratio of sums: a dialogue weighs by its rounds."""
    drawn = Bootstrap(20_000, 0).drawn_sums(table)
    found = estimate(40.0, drawn[:, 1] / drawn[:, 0], 12, "")
    theirs = scipy_bootstrap(
        (table[:, 0], table[:, 1]),
        lambda rounds, scores, axis: scores.sum(axis=axis) / rounds.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (found.ci_low, found.ci_high) == pytest.approx((theirs.low, theirs.high), abs=0.25)
    assert found.reason is None


def test_tables_of_the_same_dialogues_are_drawn_alike(table: bootstrap.Matrix) -> None:
    """So the difference of two drawn scores is one over the same dialogues."""
    more = table + np.array([0, 7])
    one, other = Bootstrap(300, 2).drawn_sums(table), Bootstrap(300, 2).drawn_sums(more)
    assert other[:, 1] - one[:, 1] == pytest.approx(np.full(300, 12 * 7))
    assert (Bootstrap(300, 3).drawn_sums(table) != one).any()


UNSURE = np.array([1.0, 2.0, np.nan])


@pytest.mark.parametrize(
    ("value", "drawn", "dialogues", "says"),
    [
        (1.0, UNSURE[:0], 9, "none was asked for"),
        (1.0, UNSURE, 1, "needs two dialogues"),
        (1.0, np.array([1.0, np.nan, np.nan]), 9, "more than half"),
        (1.0, np.array([1.0, 1.0 + 1e-12]), 9, "every dialogue has the same value"),
        (np.nan, UNSURE, 9, "nothing there"),
    ],
)
def test_no_interval_says_why(
    value: float, drawn: bootstrap.Values, dialogues: int, says: str
) -> None:
    found = estimate(value, drawn, dialogues, "nothing there")
    assert found.mean == (None if np.isnan(value) else value)
    assert (found.ci_low, found.ci_high) == (None, None)
    assert found.reason and says in found.reason


def test_draws_without_a_value_are_left_out() -> None:
    found = estimate(1.0, UNSURE, 9, "")
    assert (found.ci_low, found.ci_high) == pytest.approx((1.025, 1.975))
