"""What the patterns can't list: small networks' reading of a text, held against thresholds.

What they learnt from and how is told by ``training.safety_network``; the thresholds were chosen by
``training.safety_thresholds``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mi_arena.packaged_yaml import packaged_yaml
from mi_arena.safety.categories import Category, Speaker
from mi_arena.safety.plain_text import unmarked
from mi_arena.safety.reading import KINDS, reader

THRESHOLDS = "network/thresholds.yaml"
Script = Literal["han", "latin"]
UNREADABLE = "\ufffd"
TOGETHER: dict[Script, int] = {"han": 60, "latin": 180}
"""Characters read together: a sentence of danger must not drown in a long text."""
AT_ONCE = 32
"""Parts of texts in one batch, of about the same length."""
_SENTENCE = re.compile(r"(?:[^。！？!?…\n.]|\.(?!\s))*[。！？!?…\n.]*\s*")


@dataclass(frozen=True)
class Learnt:
    """What the networks say of a text."""

    odds: float
    """The log odds of danger."""
    kind: Category
    """The likeliest, if there is danger."""


def read(texts: Sequence[str], speaker: Speaker) -> list[Learnt | None]:
    """Of the most dangerous part of each; ``None`` for broken characters: nothing like it was
    learnt from. Many at once take half the time of as many one by one."""
    parts = [_parts(text) for text in texts]
    # By length, so that little is filled up, and always in the same batches.
    every = sorted({part for ones in parts for part in ones}, key=lambda part: (len(part), part))
    rows: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(every), AT_ONCE):
        some = every[start : start + AT_ONCE]
        rows |= zip(some, reader().read(some, speaker), strict=True)
    return [_worst([rows[part] for part in ones], speaker) for ones in parts]


def _parts(text: str) -> list[str]:
    """What the networks read of it."""
    if UNREADABLE in text:
        return []
    return [view for part in windows(text) for view in unmarked(part)]


def _worst(rows: list[NDArray[np.float32]], speaker: Speaker) -> Learnt | None:
    if not rows:
        return None
    by_kind = np.stack(rows)
    odds = logsumexp(by_kind, axis=1)
    worst = int(odds.argmax())
    return Learnt(float(odds[worst]), KINDS[speaker][int(by_kind[worst].argmax())])


def threshold(text: str, speaker: Speaker) -> float:
    """The log odds above which a text like this stops."""
    return thresholds()[speaker][script(text)]


def script(text: str) -> Script:
    """``han`` where any of it is written so."""
    return "han" if any("\u3400" <= character <= "\u9fff" for character in text) else "latin"


def windows(text: str) -> list[str]:
    """The text in overlapping runs of whole sentences, as many as are read together. A sentence
    that is longer by itself comes in overlapping parts."""
    limit = TOGETHER[script(text)]
    if len(text) <= limit:
        return [text]
    cuts = [0]
    for found in _SENTENCE.finditer(text):
        if found.end() - cuts[-1] > limit:
            cuts += range(cuts[-1] + limit // 2, found.end() - limit // 4, limit // 2)
        cuts.append(found.end())
    runs: list[tuple[int, int]] = []
    start = 0
    while not runs or runs[-1][1] < len(text):
        later = [cut for cut in cuts if cut > start]
        end = max([later[0], *(cut for cut in later if cut - start <= limit)])
        runs.append((start, end))
        start = min(cut for cut in later if cut >= min(start + limit // 2, end))
    return [text[start:end] for start, end in runs]


@cache
def thresholds() -> Mapping[Speaker, Mapping[Script, float]]:
    found: Mapping[Speaker, Mapping[Script, float]] = packaged_yaml("mi_arena.safety", THRESHOLDS)
    return found
