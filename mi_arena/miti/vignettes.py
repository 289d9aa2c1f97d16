"""The dialogues that raters practise on, with their known codings: ``assets/practice.yaml``.

Knows which they are and in which order, not how a rater's coding is scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from mi_arena.dialogue import Message, read_dialogues
from mi_arena.miti.coding import Coding, parse_coding

_ASSETS = Path(__file__).resolve().parents[1] / "assets"
_LIST = _ASSETS / "practice.yaml"
_DIALOGUES = _ASSETS / "mi_zh" / "train.jsonl"


@dataclass(frozen=True)
class Vignette:
    """One dialogue to practise on."""

    id: str
    lang: str
    messages: tuple[Message, ...]
    """Role and content alone: what a page may show gives no code away."""
    known: Coding


@cache
def vignettes() -> tuple[Vignette, ...]:
    """All of them, in the order in which they are to be coded; the files are read once.

    Raises ``ValueError`` where an id is listed twice or has no dialogue.
    """
    ids: list[str] = yaml.safe_load(_LIST.read_text(encoding="utf-8"))
    wanted = set(ids)
    if len(wanted) < len(ids):
        raise ValueError(f"{_LIST.name}: an id is listed twice")
    found = {one.id: one for one in read_dialogues(_DIALOGUES) if one.id in wanted}
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        raise ValueError(f"{_LIST.name}: no dialogue {missing[0]!r} in {_DIALOGUES.name}")
    return tuple(
        Vignette(
            id=id_,
            lang=found[id_].lang,
            messages=tuple(
                Message(role=one.role, content=one.content) for one in found[id_].messages
            ),
            known=parse_coding(found[id_].model_dump()),
        )
        for id_ in ids
    )
