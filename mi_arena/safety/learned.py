"""What the patterns can't list: a linear model over pieces of words, learnt from labelled lines.

It looks at what the patterns found too, as pieces like others. Its weights lie beside this file
(``learned.npz``), made by ``training.safety_model`` from ``training/safety_lines``; the same lines
give the same weights. It adds to the patterns, and excuses only the wide ones, where it is sure: no
plain statement of danger hangs on what was learnt.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mi_arena.safety.categories import (
    CLIENT_CATEGORIES,
    MODEL_CATEGORIES,
    SPEAKERS,
    Category,
    Speaker,
)
from mi_arena.safety.patterns import Finding
from mi_arena.safety.plain_text import plain

SIZE = 1 << 18
"""Places for pieces; some share one."""
LONGEST_PIECE = 4
FILE = "learned.npz"
KINDS: dict[Speaker, tuple[Category, ...]] = {
    "client": CLIENT_CATEGORIES,
    "model": MODEL_CATEGORIES,
}
_WINDOW = 160
"""Characters looked at together: a sentence of danger must not drown in a long text."""
_STEP = 80


def pieces(text: str, found: Iterable[str] = ()) -> dict[int, float]:
    """Place to weight of a text's pieces: of 1 to 4 characters for Han, whole words, pairs and
    stems for the others, and the ids of patterns ``found``. The weights' squares add up to 1."""
    counts = Counter(_pieces(f" {' '.join(plain(text).split())} "))
    weights: dict[int, float] = {}
    for piece, count in counts.items():
        place = zlib.crc32(piece.encode()) % SIZE
        weights[place] = weights.get(place, 0.0) + 1.0 + np.log(count)
    norm = float(np.sqrt(sum(weight * weight for weight in weights.values()))) or 1.0
    scaled = {place: weight / norm for place, weight in weights.items()}
    for id_ in found:
        place = zlib.crc32(f"\0{id_}".encode()) % SIZE
        scaled[place] = scaled.get(place, 0.0) + PATTERN_WEIGHT
    return scaled


PATTERN_WEIGHT = 0.5


def _pieces(text: str) -> Iterator[str]:
    for size in range(1, LONGEST_PIECE + 1):
        for start in range(len(text) - size + 1):
            piece = text[start : start + size]
            if not piece.isascii():
                yield piece
    words = [word.strip(".,!?;:\"'()") for word in text.split() if word.isascii()]
    words = [word for word in words if word]
    yield from (f"w:{word}" for word in words)
    yield from (f"w:{a} {b}" for a, b in pairwise(words))
    yield from (f"w:{a} _ {b}" for a, b in zip(words, words[2:], strict=False))
    yield from (f"s:{word[:5]}" for word in words if len(word) > 5)


@dataclass(frozen=True)
class Model:
    """Of one speaker. A text stops where its score is above the threshold of its script."""

    stop: NDArray[np.float32]
    bias: float
    threshold: float
    threshold_latin: float
    kinds: NDArray[np.float32]
    """A row a category."""
    kind_bias: NDArray[np.float32]

    def score(self, given: dict[int, float]) -> float:
        """The log odds of danger."""
        return self.bias + float(sum(self.stop[place] * value for place, value in given.items()))

    def kind(self, given: dict[int, float]) -> int:
        """The likeliest category's number."""
        places, values = list(given), np.array(list(given.values()), np.float32)
        return int(np.argmax(self.kinds[:, places] @ values + self.kind_bias))


UNREADABLE = "\ufffd"
SURE = 0.5
"""Log odds below the threshold at which a wide pattern's finding is excused."""


def weighed(
    text: str, speaker: Speaker, found: list[Finding], wide: Collection[str]
) -> list[Finding]:
    """The patterns' findings, one of the model's beside them where it sees danger; without those of
    the ``wide`` patterns where it is sure that there is none."""
    if UNREADABLE in text:
        return found  # broken characters: nothing like it was learnt from
    model = models()[speaker]
    ids = [one.pattern_id for one in found]
    threshold = model.threshold if is_han(text) else model.threshold_latin
    worst = max((pieces(part, ids) for part in windows(text)), key=model.score)
    if model.score(worst) > threshold:
        kind = KINDS[speaker][model.kind(worst)]
        return [*found, Finding(kind, f"learned-{speaker}")]
    if model.score(worst) < threshold - SURE:
        return [one for one in found if one.pattern_id not in wide]
    return found


def is_han(text: str) -> bool:
    """Whether any of it is written in Han characters."""
    return any("\u3400" <= character <= "\u9fff" for character in text)


def windows(text: str) -> list[str]:
    """The text in overlapping parts."""
    if len(text) <= _WINDOW:
        return [text]
    return [text[start : start + _WINDOW] for start in range(0, len(text) - _STEP, _STEP)]


@cache
def models() -> dict[Speaker, Model]:
    with files("mi_arena.safety").joinpath(FILE).open("rb") as file:
        kept = np.load(file, allow_pickle=False)
        return {
            speaker: Model(
                stop=kept[f"{speaker}_stop"].astype(np.float32),
                bias=float(kept[f"{speaker}_bias"]),
                threshold=float(kept[f"{speaker}_threshold"]),
                threshold_latin=float(kept[f"{speaker}_threshold_latin"]),
                kinds=kept[f"{speaker}_kinds"].astype(np.float32),
                kind_bias=kept[f"{speaker}_kind_bias"].astype(np.float32),
            )
            for speaker in SPEAKERS
        }
