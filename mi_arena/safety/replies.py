"""Harm in what a model answers, by the patterns of one table (``replies.yaml``).

A counsellor model may ask, reflect and inform; it may not encourage harm, give doses or diagnose.
"""

from __future__ import annotations

from mi_arena.safety.patterns import Finding, Signs, signs

TABLE = "replies.yaml"


def reply_signs() -> Signs:
    """The table made ready. Raises ``ValueError`` for one that contradicts itself."""
    return signs(TABLE)


def scan_reply(text: str) -> list[Finding]:
    """Every sign of harm in a model's text, in the table's order; empty when there is none."""
    return reply_signs().in_text(text)
