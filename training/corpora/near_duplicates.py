"""Texts that are nearly the same: MinHash over stretches of characters.

Two texts are near-duplicates when the estimated share of stretches that they have in common
(Jaccard similarity) reaches a threshold. Spaces, punctuation and case don't count. The estimate is
repeatable: it has a standard error of about 0.035 at 0.8, and no chance in it from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from mi_arena.dialogue import Dialogue

STRETCH = 5
"""Characters of a stretch."""
PERMUTATIONS = 128
THRESHOLD = 0.8

Ids = NDArray[np.uint32]


def dialogue_text(dialogue: Dialogue) -> str:
    """What client and counsellor say."""
    return "\n".join(m.content for m in dialogue.messages if m.role != "system")


def stretches(text: str) -> Ids:
    """A hash for each different stretch of letters; none where there are no letters."""
    letters = "".join(filter(str.isalnum, text.casefold()))
    if not letters:
        return np.zeros(0, dtype=np.uint32)
    codes = np.frombuffer(letters.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    width = min(STRETCH, len(codes))
    hashes = np.zeros(len(codes) - width + 1, dtype=np.uint64)
    for offset in range(width):
        hashes = (hashes + codes[offset : offset + len(hashes)]) * np.uint64(0x9E3779B97F4A7C15)
    return np.unique(hashes >> np.uint64(32)).astype(np.uint32)


def _sketches(texts: Iterable[str]) -> Iterator[MinHash | None]:
    """A sketch for each text, in order; None for a text without letters."""
    nothing = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
    for text in texts:
        found = stretches(text)
        if len(found):
            sketch = nothing.copy()
            sketch.update_batch(found.tolist())
            yield sketch
        else:
            yield None


class NearDuplicates:
    """Texts seen so far, asked which of them a further one nearly is. About 5 KB a text."""

    def __init__(self, threshold: float = THRESHOLD):
        if not 0 < threshold <= 1:
            raise ValueError(f"the threshold is a share above 0 and at most 1, not {threshold}")
        self.threshold = threshold
        # Better to look at some too many than to overlook: what it proposes is checked.
        self._index = MinHashLSH(threshold, PERMUTATIONS, weights=(0.1, 0.9))
        self._sketches: list[Any] = []
        self._ids: list[str] = []

    def like(self, text: str) -> tuple[MinHash | None, list[int]]:
        """The text's sketch, and the numbers of texts added before that it nearly is."""
        sketch = next(_sketches([text]))
        if sketch is None:
            return None, []
        near = (
            number
            for number in self._index.query(sketch)
            if np.count_nonzero(self._sketches[number] == sketch.hashvalues)
            >= self.threshold * PERMUTATIONS
        )
        return sketch, sorted(near)

    def id_of(self, number: int) -> str:
        return self._ids[number]

    def add(self, identity: str, sketch: MinHash) -> int:
        """Remember a text by its sketch; numbers count from 0."""
        number = len(self._ids)
        self._ids.append(identity)
        self._sketches.append(sketch.hashvalues)
        self._index.insert(number, sketch, check_duplication=False)
        return number


def near_duplicate_groups(
    texts: Iterable[tuple[str, str]], threshold: float = THRESHOLD
) -> list[list[str]]:
    """The ids of ``(id, text)`` that hang together by near-duplicates, two and more to a group.

    A and C are in one group where both are near-duplicates of B. Groups and ids are in the order
    of the texts.
    """
    seen = NearDuplicates(threshold)
    above: list[int] = []  # for each text one of its group that came before it, or itself

    def top(number: int) -> int:
        while above[number] != number:
            above[number] = above[above[number]]
            number = above[number]
        return number

    for identity, text in texts:
        sketch, near = seen.like(text)
        if sketch is None:
            continue
        number = seen.add(identity, sketch)
        above.append(number)
        for other in near:
            first, second = sorted((top(other), top(number)))
            above[second] = first
    groups: dict[int, list[str]] = {}
    for number in range(len(above)):
        groups.setdefault(top(number), []).append(seen.id_of(number))
    return [group for group in groups.values() if len(group) > 1]
