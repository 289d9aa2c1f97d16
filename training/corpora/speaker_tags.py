"""Speakers' labels inside a turn: “来访者：”, “医生：”, “Client:” at the start of a line.

A label names who says what follows it, whatever role the turn was given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

CLIENT = ("来访者", "求助者", "患者", "病人", "用户", "client", "patient", "user", "human")
COUNSELOR = (
    *("心理咨询师", "咨询师", "心理医生", "医生", "支持者", "治疗师", "心理治疗师", "助手", "助理"),
    *("counselor", "counsellor", "therapist", "doctor", "assistant"),
)
_LABELS = "|".join(sorted(map(re.escape, CLIENT + COUNSELOR), key=len, reverse=True))
_TAG = re.compile(
    rf"^[^\S\n]*\**({_LABELS})\**(?:\d|[^\S\n]*[（(][^（）()\n]{{1,12}}[）)])?\**[^\S\n]*[：:]\**[^\S\n]*",
    re.IGNORECASE | re.MULTILINE,
)

Speaker = Literal["client", "counselor"]


@dataclass(frozen=True)
class Tag:
    """A label, from ``start`` to ``end``, and the role it names."""

    role: Speaker
    start: int
    end: int


def tags(text: str) -> list[Tag]:
    """Every label at the start of a line, in order."""
    if "：" not in text and ":" not in text:
        return []
    return [
        Tag("client" if found[1].lower() in CLIENT else "counselor", found.start(), found.end())
        for found in _TAG.finditer(text)
    ]
