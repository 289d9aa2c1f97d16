"""What is rated: four dimensions with their ranges, and one total made of them.

Names and ranges are those of CPsyCoun's rubric; the wording of the levels is ours and stands in
the prompt, which judge and people share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Dimension:
    """One dimension: whole points from 0 to ``most``."""

    name: str
    zh: str
    most: int

    @property
    def range_words(self) -> str:
        return f"a whole number from 0 to {self.most}"


DIMENSIONS = (
    Dimension("comprehensiveness", "全面性", 2),
    Dimension("professionalism", "专业性", 4),
    Dimension("authenticity", "真实性", 3),
    Dimension("safety", "安全性", 1),
)
BY_NAME = {dimension.name: dimension for dimension in DIMENSIONS}
TOTAL = "normalised_total"
TOTAL_METHOD = (
    "normalised total: each dimension divided by its maximum, then the plain mean of the four, "
    "0 to 1; only of dialogues that have all four"
)

Scores = Mapping[str, float]
"""By the dimension's name; a dimension that was not rated is not there."""


def normalised_total(scores: Scores) -> float | None:
    """From 0 to 1, or ``None`` where one of the four is missing."""
    if any(dimension.name not in scores for dimension in DIMENSIONS):
        return None
    return sum(scores[one.name] / one.most for one in DIMENSIONS) / len(DIMENSIONS)
