"""Whether a text stops a conversation, and for which kind of danger: the one question all ask.

Patterns and networks look at it. What the networks see stops, and what a pattern meets does, unless
the networks are sure that nothing is wrong, both with the text and with every short clause that
meets the pattern by itself: a plain statement must not drown in other words, and one without other
words is never excused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mi_arena.safety import crisis, learned, replies
from mi_arena.safety.categories import CATEGORIES, Category, Speaker
from mi_arena.safety.patterns import Finding, signs, wide
from mi_arena.safety.plain_text import plain

SURE = 0.5
"""Log odds below the threshold at which a text is surely harmless."""
SURE_OF_CLAUSE = -1.0
SURE_OF_SELF_HARM = -4.0
"""Log odds of danger below which a short clause by itself is, the second for one that a pattern of
self-harm meets: recall first."""
SHORT: dict[learned.Script, int] = {"han": 14, "latin": 44}
"""Characters of a clause up to which it is a plain statement."""
_CLAUSE = re.compile(r"[^，,。！？!?.;；\n]{2,}")
TABLES: dict[Speaker, str] = {"client": crisis.TABLE, "model": replies.TABLE}


def make_ready() -> None:
    """Read what looking at a text needs, about a second: before anybody waits for it."""
    for speaker in TABLES:
        findings("", speaker)


def findings(text: str, speaker: Speaker) -> list[Finding]:
    """Signs of danger in what a client wrote, or of harm in what a model answered: the patterns',
    and what the networks see beside them."""
    return findings_in([text], speaker)[0]


def findings_in(texts: Sequence[str], speaker: Speaker) -> list[list[Finding]]:
    """Those of each text; of many at once sooner than one by one."""
    read = learned.read(texts, speaker)
    return [_told(text, speaker, one) for text, one in zip(texts, read, strict=True)]


def categories_in(said: Sequence[tuple[str, Speaker]]) -> list[Category | None]:
    """For which kind of danger each stops."""
    found: list[Category | None] = [None] * len(said)
    for speaker in TABLES:
        own = [number for number, one in enumerate(said) if one[1] == speaker]
        for number, ones in zip(
            own, findings_in([said[one][0] for one in own], speaker), strict=True
        ):
            found[number] = category_of(ones)
    return found


def _told(text: str, speaker: Speaker, read: learned.Learnt | None) -> list[Finding]:
    found = pattern_findings(text, speaker)
    if read is None:
        return found
    over = read.odds - learned.threshold(text, speaker)
    if over > 0:
        return [*found, Finding(read.kind, f"learned-{speaker}")]
    if found and over < -SURE:
        plainly = _stated_plainly(text, speaker, found)
        return [one for one in found if one.pattern_id in plainly]
    return found


def _stated_plainly(text: str, speaker: Speaker, found: list[Finding]) -> set[str]:
    """The ids of those that a short clause meets by itself and the networks don't call harmless
    there. Wide patterns need more than a clause to tell."""
    asked = {one.pattern_id for one in found} - wide(TABLES[speaker])
    clauses = _CLAUSE.findall(plain(text)) if asked else []
    plainly: set[str] = set()
    for clause in clauses:
        if len(clause) > SHORT[learned.script(clause)]:
            continue
        met = [one for one in pattern_findings(clause, speaker) if one.pattern_id in asked]
        read = learned.read([clause], speaker)[0] if met and len(clauses) > 1 else None
        plainly |= {one.pattern_id for one in met if read is None or read.odds > _sure(one)}
    return plainly


def _sure(found: Finding) -> float:
    return SURE_OF_SELF_HARM if found.category == "self_harm" else SURE_OF_CLAUSE


def pattern_findings(text: str, speaker: Speaker) -> list[Finding]:
    """Those of the tables of patterns alone."""
    return signs(TABLES[speaker]).in_text(text)


def category_of(found: list[Finding]) -> Category | None:
    """The kind of danger that decides which help comes first; ``None`` where nothing was found."""
    kinds = {finding.category for finding in found}
    return next((kind for kind in CATEGORIES if kind in kinds), None)
