"""Whether a text stops a conversation, and for which kind of danger: the one question all ask."""

from __future__ import annotations

from mi_arena.safety import crisis, replies
from mi_arena.safety.categories import CATEGORIES, Category, Speaker
from mi_arena.safety.learned import weighed
from mi_arena.safety.patterns import Finding, signs, wide

TABLES: dict[Speaker, str] = {"client": crisis.TABLE, "model": replies.TABLE}


def findings(text: str, speaker: Speaker) -> list[Finding]:
    """Signs of danger in what a client wrote, or of harm in what a model answered: the patterns',
    and what was learnt beside them."""
    return weighed(text, speaker, pattern_findings(text, speaker), wide(TABLES[speaker]))


def pattern_findings(text: str, speaker: Speaker) -> list[Finding]:
    """Those of the tables of patterns alone."""
    return signs(TABLES[speaker]).in_text(text)


def category_of(found: list[Finding]) -> Category | None:
    """The kind of danger that decides which help comes first; ``None`` where nothing was found."""
    kinds = {finding.category for finding in found}
    return next((kind for kind in CATEGORIES if kind in kinds), None)
