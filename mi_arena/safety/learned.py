"""What the patterns can't list: small networks' reading of a text, held against thresholds.

What they learnt from and how is told by ``training.safety_network``; the thresholds were chosen by
``training.safety_thresholds``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

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
_SENTENCE = re.compile(r"(?:[^。！？!?…\n.]|\.(?!\s))*[。！？!?…\n.]*\s*")


@dataclass(frozen=True)
class Learnt:
    """What the networks say of a text."""

    odds: float
    """The log odds of danger."""
    kind: Category
    """The likeliest, if there is danger."""


def read(text: str, speaker: Speaker) -> Learnt | None:
    """Of its most dangerous part; ``None`` for broken characters: nothing like it was learnt
    from."""
    if UNREADABLE in text:
        return None
    parts = list(dict.fromkeys(view for part in windows(text) for view in unmarked(part)))
    by_kind = reader().read(parts, speaker)
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
