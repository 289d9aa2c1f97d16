"""95 % percentile bootstrap over dialogues, for whatever can be told from sums over them.

Two tables of the same dialogues are drawn alike, which makes their difference a paired one.
Knows no metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
_CELLS_AT_ONCE = 2_000_000
"""Numbers held while drawing: 16 MB each array, however many dialogues there are."""
_ALL_EQUAL = 1e-9
"""Draws that differ by less do so by the rounding of sums alone."""

Matrix = NDArray[np.float64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A score with its interval; whatever is ``None`` is so for ``reason``."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Bootstrap:
    """How dialogues are drawn."""

    draws: int = 2000
    """0 for no intervals."""
    seed: int = 0

    @property
    def method(self) -> str:
        if not self.draws:
            return "no intervals"
        how = f"{self.draws} draws, seed {self.seed}"
        return f"{100 * LEVEL:.0f} % percentile bootstrap over dialogues, {how}"

    def drawn_sums(self, table: Matrix) -> Matrix:
        """From (dialogues, columns), the columns' sums in each draw, (draws, columns).

        Tables with as many rows get the same draws, row by row.
        """
        n = len(table)
        generator = np.random.default_rng(self.seed)
        step = max(1, _CELLS_AT_ONCE // n)
        sums = [np.empty((0, table.shape[1]))]
        for begin in range(0, self.draws, step):
            draws = min(step, self.draws - begin)
            rows = generator.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
            times_drawn = np.bincount(rows.ravel(), minlength=draws * n).reshape(draws, n)
            sums.append(times_drawn @ table)
        return np.concatenate(sums)


def estimate(value: float, drawn: Values, dialogues: int, undefined: str) -> Estimate:
    """A score of all dialogues, NaN where it is undefined, with the interval of its draws.

    ``undefined`` is the reason given for NaN. A draw without the score is left out; where more than
    half are, there is no interval, and none where drawing dialogues shows nothing.
    """
    if np.isnan(value):
        return Estimate(None, None, None, undefined)
    kept = drawn[~np.isnan(drawn)]
    reason = None
    if not len(drawn):
        reason = "no interval: none was asked for"
    elif dialogues < 2:
        reason = "no interval: it needs two dialogues"
    elif 2 * len(kept) < len(drawn):
        reason = "no interval: undefined in more than half of the draws"
    elif np.ptp(kept) < _ALL_EQUAL:
        reason = (
            "no interval: every dialogue has the same value, so drawing dialogues cannot show how "
            "sure it is"
        )
    if reason:
        return Estimate(value, None, None, reason)
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))
