"""Drafts that are what was entered, by field; sheets have a richer form of their own."""

from __future__ import annotations

import json

from mi_arena.battles.refusal import Refused
from mi_arena.records.drafts import Draft


def fields_of(draft: Draft) -> dict[str, str]:
    """Raises ``Refused`` for a draft that can't be read."""
    try:
        filled = json.loads(draft.body)
    except ValueError:
        filled = None
    if not isinstance(filled, dict):
        # Written by a newer MI Arena, or damaged: never overwritten in silence.
        raise Refused("damaged_draft")
    return {str(name): str(value) for name, value in filled.items()}
