"""How much of a difference between two systems is left where their replies are equally long.

Arrays in, estimates out. Longer replies share more words with any reference, so a gain in a text
metric may be one in length alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eval.score.bootstrap import Bootstrap, Estimate, Matrix, Values, estimate

FORMULA = (
    "Least squares over dialogues, d_i = a + b * l_i. d_i: mean over the rounds of dialogue i of "
    "the metric of one system minus that of the other. l_i: the same of reply lengths in "
    "characters, blanks not counted. a: the difference at equal length; b: points per character."
)
FEWEST = 3
"""Dialogues: a line through two leaves nothing to tell how sure it is."""
_FLAT = 1e-12
"""Share of the squared lengths below which their spread is the rounding of sums alone."""


@dataclass(frozen=True)
class LengthControl:
    """One metric of one system minus another's, at equal length of replies."""

    at_equal_length: Estimate
    per_character: Estimate
    mean_difference: float | None
    """Of the metric, over dialogues, whatever the lengths."""
    mean_length_difference: float | None
    """In characters."""
    extrapolated: bool | None
    """Whether one system is the longer one in every dialogue: equal length then lies outside of
    what was seen."""
    n_dialogues: int


def control_length(metric: ArrayLike, length: ArrayLike, bootstrap: Bootstrap) -> LengthControl:
    """``metric`` and ``length``: differences of each dialogue, (dialogues,) both.

    Dialogues are drawn with replacement; a draw without any spread of lengths is left out.
    """
    d, x = (np.asarray(one, dtype=np.float64) for one in (metric, length))
    n = len(d)
    if n < FEWEST:
        reason = f"a line over dialogues needs {FEWEST} of them; there are {n}"
        nothing = Estimate(None, None, None, reason)
        return LengthControl(nothing, nothing, _mean(d), _mean(x), None, n)
    centre = float(x.mean())
    table = np.stack([np.ones(n), x - centre, d, (x - centre) ** 2, (x - centre) * d], axis=1)
    intercept, slope = _line(table.sum(axis=0, keepdims=True), centre)
    drawn_intercepts, drawn_slopes = _line(bootstrap.drawn_sums(table), centre)
    flat = "reply lengths differ by the same in every dialogue, so no line can be drawn"
    return LengthControl(
        at_equal_length=estimate(float(intercept[0]), drawn_intercepts, n, flat),
        per_character=estimate(float(slope[0]), drawn_slopes, n, flat),
        mean_difference=_mean(d),
        mean_length_difference=_mean(x),
        extrapolated=bool(x.min() > 0 or x.max() < 0),
        n_dialogues=n,
    )


def _line(sums: Matrix, centre: float) -> tuple[Values, Values]:
    """Intercepts and slopes from (draws, 5) sums; NaN where lengths do not vary.

    Lengths are measured from ``centre``, which keeps the sums small.
    """
    n, x, d, xx, xd = sums.T
    spread = n * xx - x * x
    spread = np.where(spread > _FLAT * np.maximum(n * xx, n * n * centre**2), spread, np.nan)
    slope = (n * xd - x * d) / spread
    return d / n - slope * (x / n + centre), slope


def _mean(values: Values) -> float | None:
    return float(values.mean()) if len(values) else None
