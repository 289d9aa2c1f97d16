"""N-grams of up to four items, and how many of them two texts share: what BLEU counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

ORDERS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class NgramCounts:
    """How often each n-gram of a text stands in it, for n from 1 to 4."""

    length: int
    """Items of the text."""
    counts: tuple[Counter[str | tuple[str, ...]], ...]

    @classmethod
    def of(cls, text: str | tuple[str, ...]) -> NgramCounts:
        """Of characters, or of tokens."""
        length = len(text)
        counts = (Counter(text[i : i + n] for i in range(length - n + 1)) for n in ORDERS)
        return cls(length, tuple(counts))

    @property
    def totals(self) -> tuple[int, ...]:
        return tuple(max(0, self.length - n + 1) for n in ORDERS)

    def shared_with(self, other: NgramCounts) -> tuple[int, ...]:
        """N-grams of both, each at most as often as in the one that has fewer of it."""
        return tuple(
            sum(min(ours[ngram], theirs[ngram]) for ngram in ours.keys() & theirs.keys())
            for ours, theirs in zip(self.counts, other.counts, strict=True)
        )
