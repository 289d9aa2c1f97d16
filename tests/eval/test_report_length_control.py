"""Length control against a hand-worked line, statsmodels, and where no line can be drawn."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.report.length_control import control_length
from eval.score.bootstrap import Bootstrap

NO_DRAWS = Bootstrap(draws=0)


def test_a_line_by_hand() -> None:
    # Lengths -1, 0, 1, 2 and metrics 1, 3, 2, 4: means 0.5 and 2.5, b = 4/5, a = 2.5 - 0.4 = 2.1.
    found = control_length([1, 3, 2, 4], [-1, 0, 1, 2], NO_DRAWS)
    assert found.at_equal_length.mean == pytest.approx(2.1)
    assert found.per_character.mean == pytest.approx(0.8)
    assert (found.mean_difference, found.mean_length_difference) == (2.5, 0.5)
    assert (found.n_dialogues, found.extrapolated) == (4, False)


def test_a_gain_that_is_length_alone_leaves_nothing() -> None:
    lengths = np.array([3.0, 10.0, 20.0, 41.0, 55.0])
    found = control_length(0.5 * lengths, lengths, Bootstrap(200))
    assert found.mean_difference == pytest.approx(12.9)
    assert found.at_equal_length.mean == pytest.approx(0, abs=1e-9)
    assert found.extrapolated is True


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-100, 100), st.integers(-300, 300)), min_size=3, max_size=30
    ).filter(lambda rows: len({length for _, length in rows}) > 1)
)
def test_the_same_as_statsmodels(rows: list[tuple[float, int]]) -> None:
    metric, length = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    found = control_length(metric, length, NO_DRAWS)
    intercept, slope = sm.OLS(metric, sm.add_constant(length, has_constant="add")).fit().params
    assert found.at_equal_length.mean == pytest.approx(intercept, rel=1e-6, abs=1e-6)
    assert found.per_character.mean == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_the_interval_is_that_of_drawn_dialogues() -> None:
    generator = np.random.default_rng(7)
    length = generator.normal(5, 20, 40)
    metric = 3 + 0.1 * length + generator.normal(0, 2, 40)
    found = control_length(metric, length, Bootstrap(2000, 0))
    rows = np.random.default_rng(0).integers(40, size=(2000, 40))
    drawn = [np.polyfit(length[row], metric[row], 1)[1] for row in rows]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.at_equal_length.ci_low == pytest.approx(low)
    assert found.at_equal_length.ci_high == pytest.approx(high)


@pytest.mark.parametrize(
    ("metric", "length", "words"),
    [
        ([1, 2, 3], [4, 4, 4], "differ by the same in every dialogue"),
        ([1, 2, 3], [0.1 + 0.2, 0.3, 0.3], "differ by the same in every dialogue"),
        ([1, 2], [1, 5], "needs 3 of them; there are 2"),
        ([], [], "there are 0"),
    ],
)
def test_no_line_has_a_reason(metric: list[float], length: list[float], words: str) -> None:
    found = control_length(metric, length, Bootstrap(50))
    for one in (found.at_equal_length, found.per_character):
        assert one.mean is one.ci_low is one.ci_high is None
        assert one.reason and words in one.reason
