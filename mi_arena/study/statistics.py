"""Shares with their uncertainty. Arrays in, intervals out; what is undefined says why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

LEVEL = 0.95
_CELLS_AT_ONCE = 4_000_000
"""Numbers held while drawing: 32 MB, however many raters there are."""


@dataclass(frozen=True)
class Interval:
    """A share with its 95 % interval, and how it was made.

    ``value``, ``low`` and ``high`` are in [0, 1], or ``None`` where ``reason`` says why.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    """How many observations the share rests on."""
    method: str
    reason: str | None = None
    raters: int | None = None
    """How many raters were drawn from, for a bootstrap over raters."""
    draws_left_out: int = 0
    """Draws of a bootstrap without any observation, of which no share can be taken."""


def wilson(successes: int, n: int) -> Interval:
    """Wilson's score interval for ``successes`` of ``n`` independent observations.

    Without continuity correction (Wilson 1927; Newcombe 1998, method 3).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} cannot be")
    method = "Wilson 95 %"
    if n == 0:
        return Interval(None, None, None, 0, method, "nothing observed")
    found = binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return Interval(successes / n, float(found.low), float(found.high), n, method)


def bootstrap_over_raters(counts: ArrayLike, draws: int = 2000, seed: int = 0) -> Interval:
    """Share of wins, wins/(wins + losses), with a percentile bootstrap that draws whole raters.

    A rater's judgements resemble each other, so raters are drawn (with replacement, as many as
    there are) and not judgements. ``counts`` is (raters, 2): each rater's wins and losses; raters
    without either are drawn too, as they would be in another sample.

    Raters with the same two counts are interchangeable. How often each such group comes up in a
    draw is multinomial, so one multinomial per draw replaces drawing every rater: exactly the
    same distribution, at the cost of the number of different pairs of counts, not of raters.

    The interval is ``None``, with a reason, where drawing raters says nothing: with fewer than
    two raters who decided, or where all decided alike (every draw gives the same 0 or 1).
    """
    table = np.asarray(counts, dtype=np.int64).reshape(-1, 2)
    if (table < 0).any():
        raise ValueError("counts of wins and losses are not negative")
    wins, losses = (int(total) for total in table.sum(axis=0))
    raters, n = len(table), wins + losses
    method = f"bootstrap over raters, 95 % percentile, {draws} draws, seed {seed}"
    if n == 0:
        return Interval(None, None, None, 0, method, "nothing decided", raters)
    value = wins / n
    reason = None
    if np.count_nonzero(table.sum(axis=1)) < 2:
        reason = "only one rater decided: there is nobody to draw instead"
    elif not wins or not losses:
        reason = "all decided alike: drawing raters cannot show how sure that is"
    if reason:
        return Interval(value, None, None, n, method, reason, raters)

    pairs, sizes = np.unique(table, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // len(pairs))
    sums = np.concatenate(
        [
            generator.multinomial(raters, sizes / raters, size=min(step, draws - begin)) @ pairs
            for begin in range(0, draws, step)
        ]
    )
    decided = sums.sum(axis=1)
    kept = decided > 0
    left_out = int(draws - kept.sum())
    if not kept.any():
        reason = "no draw had a decision in it"
        return Interval(value, None, None, n, method, reason, raters, left_out)
    shares = sums[kept, 0] / decided[kept]
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), n, method, None, raters, left_out)
