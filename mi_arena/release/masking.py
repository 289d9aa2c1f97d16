"""Masks the texts of a release and counts what was masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mi_arena.safety.personal_data import mask


class Masker:
    """Call it with a text."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """By kind, over all texts so far."""

    def __call__(self, text: str) -> str:
        masked = mask(text)
        self.counts.update(masked.counts)
        return masked.text

    def maybe(self, text: str | None) -> str | None:
        """``None`` stays ``None``."""
        return None if text is None else self(text)

    def parts(self, texts: Sequence[str]) -> list[str | None]:
        """The parts of one text. None of them is told where something personal runs over a cut:
        half of a number would be left on each side."""
        parts = [self(text) for text in texts]
        if mask("".join(texts)).text != "".join(parts):
            return [None] * len(parts)
        return list(parts)
