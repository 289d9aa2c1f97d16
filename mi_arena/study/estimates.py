"""Means over dialogues or matches, with their spread and uncertainty.

A table of values in, estimates out; what is undefined says why. Knows nothing of MITI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mi_arena.study.statistics import LEVEL

DRAWS = 2000
SEED = 0
_CELLS_AT_ONCE = 2_000_000
"""Numbers held while drawing: 16 MB each array, however many dialogues there are."""

Unit = Literal["dialogue", "match"]
PLURAL: dict[Unit, str] = {"dialogue": "dialogues", "match": "matches"}


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard deviation and its 95 % interval, in the units of what was averaged.

    Whatever is ``None`` is so for ``reason``.
    """

    mean: float | None
    sd: float | None
    """Of the single values, with n - 1; not of the mean."""
    low: float | None
    high: float | None
    n: int
    """How many values the mean rests on."""
    left_out: int
    """How many dialogues or matches had no value."""
    left_out_reason: str | None
    method: str
    """How the interval was made."""
    reason: str | None = None


def bootstrap_method(unit: Unit) -> str:
    """What the interval is, in words."""
    return f"95 % percentile bootstrap over {PLURAL[unit]}, {DRAWS} draws, seed {SEED}"


def estimates(
    table: ArrayLike, left_out_reasons: Sequence[str | None], unit: Unit
) -> list[Estimate]:
    """One estimate for each column of ``table``, (dialogues or matches, columns).

    NaN stands for a value that is undefined: it is left out, and so is its row when the column's
    mean is bootstrapped. ``left_out_reasons`` says for each column why there are such values.
    Neither the order nor the names of the rows change anything: values are drawn by their rank.

    There is no interval, with a reason, where drawing rows says nothing: with fewer than two
    values, or where all are equal (every draw gives the same mean).
    """
    values = np.asarray(table, dtype=np.float64).reshape(-1, len(left_out_reasons))
    columns = [np.sort(column[~np.isnan(column)]) for column in values.T]
    return [
        _estimate(column, interval, len(values), reason, unit)
        for column, interval, reason in zip(
            columns, _intervals(columns), left_out_reasons, strict=True
        )
    ]


def _estimate(
    values: NDArray[np.float64],
    interval: tuple[float, float] | None,
    rows: int,
    left_out_reason: str | None,
    unit: Unit,
) -> Estimate:
    n = len(values)
    one, many = unit, PLURAL[unit]
    reason = None
    if rows == 0:
        reason = f"there is no {one}"
    elif n == 0:
        all_of_them = f"the only {one}" if rows == 1 else f"all {rows} {many}"
        reason = f"undefined in {all_of_them}: {left_out_reason}"
    elif n == 1:
        reason = f"only one {one}: standard deviation and interval need two"
    elif interval is None:
        reason = f"every {one} has the same value: drawing {many} cannot show how sure it is"
    low, high = interval or (None, None)
    return Estimate(
        mean=float(values.mean()) if n else None,
        sd=float(values.std(ddof=1)) if n > 1 else None,
        low=low,
        high=high,
        n=n,
        left_out=rows - n,
        left_out_reason=left_out_reason if rows > n else None,
        method=bootstrap_method(unit),
        reason=reason,
    )


def _intervals(columns: Sequence[NDArray[np.float64]]) -> list[tuple[float, float] | None]:
    """The interval of each sorted column, ``None`` where all its values are equal or missing.

    Columns of one length share their draws: most of the work is drawing.
    """
    found: list[tuple[float, float] | None] = [None] * len(columns)
    by_length: dict[int, list[int]] = {}
    for number, column in enumerate(columns):
        if len(column) > 1 and column[0] < column[-1]:
            by_length.setdefault(len(column), []).append(number)
    for numbers in by_length.values():
        means = _drawn_means(np.stack([columns[number] for number in numbers], axis=1))
        lows, highs = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        for number, low, high in zip(numbers, lows, highs, strict=True):
            found[number] = (float(low), float(high))
    return found


def _drawn_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From (n, columns), the means of ``DRAWS`` draws of n rows each, (draws, columns)."""
    n = len(values)
    generator = np.random.default_rng(SEED)
    step = max(1, _CELLS_AT_ONCE // n)
    means = []
    for begin in range(0, DRAWS, step):
        draws = min(step, DRAWS - begin)
        rows = generator.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
        times_drawn = np.bincount(rows.ravel(), minlength=draws * n).reshape(draws, n)
        means.append(times_drawn @ values / n)
    return np.concatenate(means)
