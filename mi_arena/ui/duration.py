"""How long something takes, in words: one unit, the largest of which there are two at least."""

from __future__ import annotations

from mi_arena.ui.texts import Lang, say

UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))
"""In seconds."""


def duration(seconds: float, lang: Lang) -> str:
    """``16 min`` rather than ``964 s``. What has begun of a unit does not count."""
    for unit, length in UNITS:
        if seconds >= 2 * length:
            return say(lang, f"duration_{unit}", n=int(seconds // length))
    return say(lang, "duration_seconds", n=int(seconds))
