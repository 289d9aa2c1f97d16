"""95 % percentile bootstrap over targets: 2,000 draws, seed 0.

A statistic of how often each kind of target was drawn in, a coefficient out. A draw in which it is
undefined is dropped; where more than half are, there is no interval.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mi_arena.miti.ratings import Coefficient

DRAWS = 2000
SEED = 0
_CELLS_AT_ONCE = 2_000_000
"""Numbers held while drawing: 16 MB each array, however many targets there are."""

Matrix = NDArray[np.float64]
Statistic = Callable[[Matrix], Matrix]
"""From weights (draws, kinds of target), how often each kind was drawn, to (draws,) values; NaN
where undefined."""


def bootstrapped(statistic: Statistic, sizes: NDArray[np.int64], undefined: str) -> Coefficient:
    """The statistic of all targets, with its interval.

    Targets that are rated alike are interchangeable: ``sizes`` says how many there are of each
    kind, and how often each kind comes up in a draw is multinomial. That is the distribution of
    drawing target by target, at the cost of the number of kinds. ``undefined`` is the reason
    given where the statistic of all targets is NaN.
    """
    n = int(sizes.sum())
    value = float(statistic(sizes[None].astype(np.float64))[0])
    if np.isnan(value):
        return Coefficient.undefined(n, undefined)
    generator = np.random.default_rng(SEED)
    step = max(1, _CELLS_AT_ONCE // len(sizes))
    drawn = np.concatenate(
        [
            statistic(
                generator.multinomial(n, sizes / n, min(step, DRAWS - begin)).astype(np.float64)
            )
            for begin in range(0, DRAWS, step)
        ]
    )
    kept = drawn[~np.isnan(drawn)]
    if 2 * len(kept) < DRAWS:
        reason = "no interval: more than half of the bootstrap's draws leave it undefined"
        return Coefficient(value, None, None, n, reason)
    low, high = np.quantile(kept, [1 - 0.975, 0.975])
    return Coefficient(value, float(low), float(high), n)
