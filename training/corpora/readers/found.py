"""What a reader hands over for an entry: a dialogue with what it noticed, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mi_arena.dialogue import Dialogue, Message, Role
from training.corpora.problems import Finding


@dataclass(frozen=True)
class Found:
    """A dialogue as the source has it; ``findings`` are what only the reader could see."""

    dialogue: Dialogue
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Missed:
    """An entry that could not be read: where it stands and why."""

    where: str
    reason: str


class NotThis(Exception):
    """Something that isn't what the kind expects at all; the message says what it looks like."""


class Faulty(Exception):
    """An entry of the kind with something wrong in it; the message says what."""


def slug(text: str) -> str:
    """Small letters, digits and Han characters, joined by hyphens: fit for an id."""
    return "-".join(re.findall(r"[^\W_]+", text.lower()))


def joined_id(kind: str, *parts: object) -> str:
    """An id of its kind and what tells the dialogue from others; the kind is not said twice."""
    rest = "-".join(part for part in (slug(str(part)) for part in parts) if part)
    return rest if rest == kind or rest.startswith(kind + "-") else f"{kind}-{rest}"


def message(
    role: Role, content: object, number: int, extra: Mapping[str, Any] | None = None
) -> Message:
    """Turn ``number``; ``extra`` are keys that travel along. Raises ``Faulty``."""
    if not isinstance(content, str):
        what = "no text" if content is None else f"no text but {type(content).__name__}"
        raise Faulty(f"message {number} has {what}")
    return Message.model_validate({**(extra or {}), "role": role, "content": content})


def dialogue(
    identity: str,
    source: str,
    messages: Sequence[Message],
    meta: Mapping[str, Any],
    lang: str = "zh",
) -> Dialogue:
    """Raises ``Faulty`` where there is no message."""
    if not messages:
        raise Faulty("it has no messages")
    return Dialogue(id=identity, source=source, lang=lang, messages=list(messages), meta=dict(meta))
