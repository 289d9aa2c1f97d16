"""Files of codings, one JSON object a line, and who coded them: a judge's, people's, a model's."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mi_arena.jobs.dialogue_files import told_in_one_line
from mi_arena.jobs.script import BadInput
from mi_arena.miti.coding import BadCoding, Coding, parse_coding

MODEL_MADE = frozenset({"mi_zh"})
"""Sources whose codes a model wrote, where the line itself doesn't say who coded it."""
_WHO = '"coder": {"kind": "human", "name": …}'


class Coder(BaseModel):
    """Who made a coding. Keys that are not named here are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["judge", "human", "model", "unknown"]
    """``model``: codes that came with a dialogue which a model wrote."""
    name: str | None = None
    """Of a person, a pseudonym."""
    suggestions: bool = False
    """Whether a judge's codes stood before the person who coded."""
    model: str | None = None
    prompt_version: str | None = None
    prompt_sha256: str | None = None
    parameters: dict[str, float | int] = Field(default_factory=dict)


@dataclass(frozen=True)
class Coded:
    """One line of a file of codings."""

    place: str
    """For messages: ``FILE:LINE``."""
    id: str
    """Of the dialogue."""
    lang: str | None
    coding: Coding
    coder: Coder
    dialogue_sha256: str | None
    """See `spoken_sha256`; a judge's codings carry it."""


def read_codings(path: Path) -> list[Coded]:
    """The codings of a file, in its order. Raises ``BadInput`` with the line that is wrong.

    A dialogue whose counselor messages carry coded utterances is a coding too.
    """
    with told_in_one_line(path):
        found = list(_codings(path))
    if not found:
        raise BadInput(f"{path}: there is no coding in it")
    first: dict[str, str] = {}
    for one in found:
        if one.id in first:
            raise BadInput(
                f"{one.place}: the id {one.id!a} stands at {first[one.id]} already: give one "
                "coding of each dialogue"
            )
        first[one.id] = one.place
    return found


def _codings(path: Path) -> Iterator[Coded]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _coded(line, f"{path}:{number}")


def _coded(line: str, place: str) -> Coded:
    try:
        given = json.loads(line)
    except ValueError as error:
        raise BadInput(f"{place}: not JSON: {str(error).splitlines()[0]}") from None
    try:
        coding = parse_coding(given)
    except BadCoding as error:
        raise BadInput(f"{place}: {error}") from None
    name, lang, sha256 = (given.get(key) for key in ("id", "lang", "dialogue_sha256"))
    if not isinstance(name, str) or not name:
        raise BadInput(f"{place}: id is missing; give the dialogue's")
    return Coded(
        place,
        name,
        lang if isinstance(lang, str) and lang else None,
        coding,
        _coder(given, place),
        sha256 if isinstance(sha256, str) else None,
    )


def _coder(given: dict[str, Any], place: str) -> Coder:
    told = given.get("coder")
    if told is None:
        return Coder(kind="model" if given.get("source") in MODEL_MADE else "unknown")
    try:
        return Coder.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in ("coder", *first["loc"]))
        raise BadInput(f"{place}: {where}: {first['msg']}; write {_WHO}") from None
