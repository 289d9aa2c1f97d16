import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mi_arena.study.statistics import bootstrap_over_raters, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe RG, Statistics in Medicine 1998;17:857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, n: int, low: float, high: float
) -> None:
    found = wilson(successes, n)
    assert found.value == successes / n
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)
    assert (found.n, found.method, found.reason) == (n, "Wilson 95 %", None)


def test_wilson_of_nothing_is_undefined_and_says_why() -> None:
    found = wilson(0, 0)
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert found.reason == "nothing observed"


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError):
        wilson(successes, n)


@given(st.integers(1, 500), st.data())
@settings(max_examples=20, deadline=None)
def test_wilson_holds_its_share_and_mirrors(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    one, mirrored = wilson(successes, n), wilson(n - successes, n)
    assert one.value is not None and one.low is not None and one.high is not None
    assert -1e-12 <= one.low <= one.value + 1e-12 and one.value <= one.high + 1e-12 <= 1 + 2e-12
    assert one.low == pytest.approx(1 - (mirrored.high or 0), abs=1e-9)


def naive_bootstrap(counts: NDArray[np.int64], draws: int, seed: int) -> NDArray[np.float64]:
    """Every rater drawn one by one; the shares of the draws that have any decision."""
    generator = np.random.default_rng(seed)
    chosen = generator.integers(len(counts), size=(draws, len(counts)))
    sums = counts[chosen].sum(axis=1)
    sums = sums[sums.sum(axis=1) > 0]
    return np.asarray(sums[:, 0] / sums.sum(axis=1))


def test_bootstrap_agrees_with_drawing_raters_one_by_one() -> None:
    generator = np.random.default_rng(7)
    counts = generator.poisson([1.5, 1.0], size=(120, 2))
    naive = naive_bootstrap(counts, 10_000, 1)
    found = bootstrap_over_raters(counts, draws=10_000, seed=2)
    assert found.value == counts[:, 0].sum() / counts.sum()
    # The Monte Carlo error of these quantiles is about 0.001.
    assert found.low == pytest.approx(float(np.quantile(naive, 0.025)), abs=0.006)
    assert found.high == pytest.approx(float(np.quantile(naive, 0.975)), abs=0.006)
    assert (found.n, found.raters, found.draws_left_out) == (int(counts.sum()), 120, 0)


def test_bootstrap_agrees_with_every_possible_draw() -> None:
    """Three raters have 27 equally likely draws, one of them without any decision."""
    counts = np.array([[2, 1], [0, 3], [0, 0]])
    sums = np.array(
        [counts[list(draw)].sum(axis=0) for draw in itertools.product(range(3), repeat=3)]
    )
    sums = sums[sums.sum(axis=1) > 0]
    exact = np.quantile(sums[:, 0] / sums.sum(axis=1), [0.025, 0.975])
    found = bootstrap_over_raters(counts, draws=30_000)
    assert [found.low, found.high] == pytest.approx(list(exact))
    assert found.draws_left_out == pytest.approx(30_000 / 27, rel=0.15)


def test_raters_are_drawn_and_not_judgements() -> None:
    """Ten raters of 100 like-minded judgements each know no more than ten judgements."""
    like_minded = bootstrap_over_raters([[100, 0]] * 6 + [[0, 100]] * 4)
    single = bootstrap_over_raters([[1, 0]] * 6 + [[0, 1]] * 4)
    assert like_minded.value == single.value == 0.6
    assert (like_minded.low, like_minded.high) == (single.low, single.high)


@pytest.mark.parametrize(
    ("counts", "value", "reason"),
    [
        ([], None, "nothing decided"),
        ([[0, 0], [0, 0]], None, "nothing decided"),
        ([[3, 1]], 0.75, "only one rater"),
        ([[3, 1], [0, 0]], 0.75, "only one rater"),
        ([[3, 0], [2, 0]], 1.0, "all decided alike"),
        ([[0, 3], [0, 2]], 0.0, "all decided alike"),
    ],
)
def test_bootstrap_is_undefined_where_drawing_says_nothing(
    counts: list[list[int]], value: float | None, reason: str
) -> None:
    found = bootstrap_over_raters(counts)
    assert (found.value, found.low, found.high) == (value, None, None)
    assert found.reason is not None and found.reason.startswith(reason)
    assert found.raters == len(counts)


def test_bootstrap_repeats_with_its_seed_and_says_how_it_was_made() -> None:
    counts = [[2, 1], [0, 1], [1, 1], [3, 0]]
    assert bootstrap_over_raters(counts, seed=3) == bootstrap_over_raters(counts, seed=3)
    assert "2000 draws, seed 3" in bootstrap_over_raters(counts, seed=3).method


def test_bootstrap_does_not_care_how_draws_are_portioned(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [[2, 1], [0, 1], [1, 1], [3, 0]]
    whole = bootstrap_over_raters(counts, draws=500)
    monkeypatch.setattr("mi_arena.study.statistics._CELLS_AT_ONCE", 64)
    assert bootstrap_over_raters(counts, draws=500) == whole


def test_bootstrap_refuses_negative_counts() -> None:
    with pytest.raises(ValueError):
        bootstrap_over_raters([[1, -1]])
