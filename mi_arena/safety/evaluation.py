"""How well the patterns do on labelled lines: recall and false alarms, with intervals.

Only counts come out: a set that was written apart stays unread by who writes the patterns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import binomtest

from mi_arena.safety.categories import CATEGORIES, Category, Lang, Speaker
from mi_arena.safety.check import categories_in
from mi_arena.safety.lines import LabelledLine

LEVEL = 0.95


@dataclass(frozen=True)
class Share:
    """``hits`` of ``n`` with Wilson's interval; ``None`` where there is nothing to count."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if not self.n:
            return None
        found = binomtest(self.hits, self.n).proportion_ci(LEVEL, method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Evaluation:
    """Figures of a labelled set.

    ``recall``: stopped of those to be stopped; ``false_alarms``: stopped of those to be let
    through; ``named``: stopped for the category written, of those stopped rightly.
    """

    recall: Share
    false_alarms: Share
    named: Share
    recall_of: dict[Category, Share]
    recall_among: dict[tuple[Speaker, Lang], Share]
    false_alarms_among: dict[tuple[Speaker, Lang], Share]
    false_alarms_as: dict[Category, int]


def evaluate(lines: Iterable[LabelledLine]) -> Evaluation:
    lines = list(lines)
    found = categories_in([(line.text, line.speaker) for line in lines])
    checked = list(zip(lines, found, strict=True))
    danger = [(line, found) for line, found in checked if line.stop]
    harmless = [(line, found) for line, found in checked if not line.stop]
    groups = sorted({(line.speaker, line.lang) for line, _ in checked})

    def stopped(some: list[tuple[LabelledLine, Category | None]]) -> Share:
        return Share(sum(found is not None for _, found in some), len(some))

    rightly = [(line, found) for line, found in danger if found is not None]
    return Evaluation(
        recall=stopped(danger),
        false_alarms=stopped(harmless),
        named=Share(sum(line.category == found for line, found in rightly), len(rightly)),
        recall_of={
            kind: stopped([one for one in danger if one[0].category == kind]) for kind in CATEGORIES
        },
        recall_among={
            group: stopped([one for one in danger if (one[0].speaker, one[0].lang) == group])
            for group in groups
        },
        false_alarms_among={
            group: stopped([one for one in harmless if (one[0].speaker, one[0].lang) == group])
            for group in groups
        },
        false_alarms_as={kind: sum(f == kind for _, f in harmless) for kind in CATEGORIES},
    )
