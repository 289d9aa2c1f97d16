"""N-grams of up to four items, and how many of them two texts share: what BLEU counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

ORDERS = (1, 2, 3, 4)
TEXTS_KEPT = 256
"""Of a Chinese text, both profiles count the characters."""

Items = str | tuple[str, ...]
"""A text as its characters, or as tokens."""


@dataclass(frozen=True, slots=True)
class NgramCounts:
    """How often each n-gram of a text stands in it, for n from 1 to 4."""

    length: int
    """Items of the text."""
    counts: tuple[Counter[Items], ...]

    @property
    def totals(self) -> tuple[int, ...]:
        return tuple(max(0, self.length - n + 1) for n in ORDERS)

    def shared_with(self, other: NgramCounts) -> tuple[int, ...]:
        """N-grams of both, each at most as often as in the one that has fewer of it."""
        return tuple(
            sum(min(ours[ngram], theirs[ngram]) for ngram in ours.keys() & theirs.keys())
            for ours, theirs in zip(self.counts, other.counts, strict=True)
        )


@lru_cache(maxsize=TEXTS_KEPT)
def ngram_counts(items: Items) -> NgramCounts:
    """Comparable with those of items of the same kind alone."""
    length = len(items)
    counts = (Counter(items[i : i + n] for i in range(length - n + 1)) for n in ORDERS)
    return NgramCounts(length, tuple(counts))
