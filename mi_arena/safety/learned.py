"""What the patterns can't list: small networks' reading of a text, held against thresholds.

What they learnt from and how is told by ``training.safety_network``; the thresholds were chosen by
``training.safety_thresholds``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from scipy.special import logsumexp

from mi_arena.safety.categories import Category, Speaker
from mi_arena.safety.plain_text import unmarked
from mi_arena.safety.reading import KINDS, reader

THRESHOLDS = "network/thresholds.yaml"
Script = Literal["han", "latin"]
UNREADABLE = "\ufffd"
_WINDOW = 160
"""Characters looked at together: a sentence of danger must not drown in a long text."""
_STEP = 80


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
    """The text in overlapping parts."""
    if len(text) <= _WINDOW:
        return [text]
    return [text[start : start + _WINDOW] for start in range(0, len(text) - _STEP, _STEP)]


@cache
def thresholds() -> Mapping[Speaker, Mapping[Script, float]]:
    text = files("mi_arena.safety").joinpath(THRESHOLDS).read_text(encoding="utf-8")
    found: Mapping[Speaker, Mapping[Script, float]] = yaml.safe_load(text)
    return found
