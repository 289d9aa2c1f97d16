"""Payloads about a judge's codings that may stand before people who code."""

from __future__ import annotations

from mi_arena.miti.coding import Coding
from mi_arena.records.payloads import Payload, Sha256, Short


class SuggestionsAllowed(Payload):
    """An admin said whether suggestions may be shown for the dialogues of an import, from now on.

    For study items they never are, whatever was said.
    """

    kind = "suggestions_allowed"

    batch: Short
    allowed: bool


class CodingSuggested(Payload):
    """A judge's coding of a dialogue; the latest of a dialogue counts."""

    kind = "coding_suggested"

    suggestion: Short
    dialogue: Short
    model: Short
    prompt_version: Short
    prompt_sha256: Sha256
    filled: Coding
