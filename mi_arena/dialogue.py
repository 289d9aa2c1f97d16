"""The words everyone uses: a message, a dialogue, and dialogues in and out of JSONL.

Roles inside the project are ``client`` and ``counselor`` (``system`` where needed).
Nothing here knows how a model wants its text; see ``chat_formats`` for that.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Role = Literal["system", "client", "counselor"]


class Message(BaseModel):
    """One turn. Keys that are not named here (``utterances`` and the like) survive a round trip."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: Role
    content: str


class Dialogue(BaseModel):
    """One line of a dialogue file. Unknown keys survive a round trip."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    source: str
    lang: str = "zh"
    messages: list[Message]
    meta: dict[str, Any] = Field(default_factory=dict)


def turns(messages: Iterable[Message]) -> list[tuple[Role, str]]:
    """Who speaks and what, uninterrupted: messages of one role that follow each other are one.

    Their texts are joined by a newline. A counsellor's turn is a volley.
    """
    return [
        (role, "\n".join(message.content for message in run))
        for role, run in groupby(messages, key=lambda message: message.role)
    ]


def spoken_sha256(messages: Iterable[Message]) -> str:
    """Of who says what up to the counsellor's last word: the same dialogue has the same one.

    System prompts and white space don't count, nor do identifiers.
    """
    said = [
        [role, "".join(text.split())]
        for role, text in turns(message for message in messages if message.role != "system")
    ]
    while said and said[-1][0] != "counselor":
        said.pop()
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def is_flagged(dialogue: Dialogue, flag: str) -> bool:
    """Whether ``meta.flags`` lists ``flag``, or ``meta`` itself says it is so.

    Flags are a list; a single text counts as a list of one, and anything else as none.
    """
    flags = dialogue.meta.get("flags")
    listed = [flags] if isinstance(flags, str) else flags
    found = isinstance(listed, list) and flag in listed
    return found or dialogue.meta.get(flag) is True


class BadLine(ValueError):
    """A line that is not a dialogue; the message names file, line and reason."""


def read_dialogues(path: str | Path) -> Iterator[Dialogue]:
    """Yield the dialogues of a JSONL file (gzip when its name ends in ``.gz``).

    Raises ``BadLine`` at the first line that cannot be read, with its file and number: nothing
    is dropped in silence. Blank lines are allowed.
    """
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield Dialogue.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "the line"
                raise BadLine(f"{path}:{number}: {where}: {first['msg']}") from None


def write_dialogues(path: str | Path, dialogues: Iterable[Dialogue]) -> int:
    """Write dialogues as JSONL, all or nothing, and return how many there were."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8") as out:
        for dialogue in dialogues:
            out.write(json.dumps(dialogue.model_dump(), ensure_ascii=False) + "\n")
            count += 1
    part.replace(path)
    return count
