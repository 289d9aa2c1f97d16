"""Signs of danger in what a client writes, by the patterns of one table (``crisis.yaml``).

It says which patterns a text meets, not what to do about it. A pattern is a hint, not a diagnosis:
the table prefers showing help once too often to missing a plain statement.
"""

from __future__ import annotations

from mi_arena.safety.patterns import Finding, Signs, signs

TABLE = "crisis.yaml"


def crisis_signs() -> Signs:
    """The table made ready. Raises ``ValueError`` for one that contradicts itself."""
    return signs(TABLE)


def scan(text: str) -> list[Finding]:
    """Every sign of danger in a client's text, in the table's order; empty when there is none."""
    return crisis_signs().in_text(text)
