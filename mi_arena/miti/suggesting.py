"""What a suggested coding says of utterances that may be cut otherwise.

Pure: two codings of one text in, a hint for each utterance out. Nothing is coded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from mi_arena.miti.alignment import NotAligned, align
from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.items import Code

UNCODED: Literal["NONE"] = "NONE"
Hint = Code | Literal["NONE"]
"""A suggested code, or that there be none."""


def hints(
    volleys: Sequence[Sequence[Utterance]], suggested: Coding
) -> tuple[tuple[Hint | None, ...], ...]:
    """Of each utterance of each volley, the hint that holds for all of it; ``None`` where the
    suggestion cuts it and says different things of its parts, or is of another text."""
    sheet = Coding(
        volleys=tuple(
            Volley(utterances=tuple(Utterance(text=one.text) for one in volley))
            for volley in volleys
        )
    )
    try:
        aligned = align((sheet, suggested))
    except NotAligned:
        return tuple((None,) * len(volley) for volley in volleys)
    found = []
    for volley in aligned:
        parts: list[set[Hint]] = []
        for segment in volley.segments:
            if segment.cut[0]:
                parts.append(set())
            parts[-1].add(segment.codes[1] or UNCODED)
        found.append(tuple(part.pop() if len(part) == 1 else None for part in parts))
    return tuple(found)
