"""Whether a text stops a conversation, and for which kind of danger: the one question all ask."""

from __future__ import annotations

import re

from mi_arena.safety import crisis, replies
from mi_arena.safety.categories import CATEGORIES, Category, Speaker
from mi_arena.safety.learned import is_han, weighed
from mi_arena.safety.patterns import Finding, signs, wide

_CLAUSE = re.compile(r"[^，,。！？!?.\n]{2,}[，,。！？!?.\n]*")
SHORT = {True: 14, False: 44}
"""Characters of a clause, in Han or not, up to which it is a plain statement."""
TABLES: dict[Speaker, str] = {"client": crisis.TABLE, "model": replies.TABLE}


def findings(text: str, speaker: Speaker) -> list[Finding]:
    """Signs of danger in what a client wrote, or of harm in what a model answered: the patterns',
    and what was learnt beside them."""
    found = pattern_findings(text, speaker)
    return weighed(text, speaker, found, _may_be_excused(text, speaker, found))


def _may_be_excused(text: str, speaker: Speaker, found: list[Finding]) -> set[str]:
    """The ids of wide patterns found that what was learnt may excuse: not what a short clause says
    by itself, for a plain statement must not drown in other words."""
    ways = wide(TABLES[speaker])
    excusable = {one.pattern_id for one in found if one.pattern_id in ways}
    if any(ways[id_] == "in long clauses" for id_ in excusable):
        for clause in _CLAUSE.findall(text):
            if len(clause) <= SHORT[is_han(clause)]:
                plain = {one.pattern_id for one in pattern_findings(clause, speaker)}
                excusable -= {id_ for id_ in plain if ways.get(id_) == "in long clauses"}
    return excusable


def pattern_findings(text: str, speaker: Speaker) -> list[Finding]:
    """Those of the tables of patterns alone."""
    return signs(TABLES[speaker]).in_text(text)


def category_of(found: list[Finding]) -> Category | None:
    """The kind of danger that decides which help comes first; ``None`` where nothing was found."""
    kinds = {finding.category for finding in found}
    return next((kind for kind in CATEGORIES if kind in kinds), None)
