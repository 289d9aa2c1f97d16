"""Signs of danger in a text, by word patterns in one reviewable table (``crisis.yaml``).

It says which patterns a text meets, not what to do about it. A pattern is a hint, not a diagnosis:
the table prefers showing help once too often to missing a plain statement.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from mi_arena.safety.help import Category

HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
FILLER = r"[ .·•*_~|/\\^+=\-]+"
"""What people put between the characters of a word that they think is filtered."""
BETWEEN_HAN = re.compile(rf"(?<=[{HAN}]){FILLER}(?=[{HAN}])")
SPELLED_OUT = re.compile(rf"(?<![a-z])(?:[a-z]{FILLER}){{3,}}[a-z](?![a-z])")
REMOVED = "\n"
"""What stands for an idiom taken out; no pattern reaches across a line end."""


class Idiom(BaseModel):
    """A harmless idiom, taken out of the text before the patterns look at it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    lang: Literal["zh", "en"]
    regex: str
    note: str


class Pattern(BaseModel):
    """One sign of danger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    lang: Literal["zh", "en"]
    category: Category
    regex: str
    note: str


class CrisisTable(BaseModel):
    """The table as written: building blocks, exceptions, patterns, traditional characters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    traditional: dict[str, str]
    parts: dict[str, str]
    exceptions: list[Idiom]
    patterns: list[Pattern] = Field(min_length=1)


@dataclass(frozen=True)
class Finding:
    """A pattern that a text meets."""

    category: Category
    pattern_id: str


@dataclass(frozen=True)
class CompiledTable:
    """The table as it is searched with."""

    traditional: Mapping[int, str]
    exceptions: list[re.Pattern[str]]
    patterns: list[tuple[Finding, re.Pattern[str]]]


def crisis_table() -> CrisisTable:
    text = files("mi_arena.safety").joinpath("crisis.yaml").read_text(encoding="utf-8")
    return CrisisTable.model_validate(yaml.safe_load(text))


@cache
def compiled_table() -> CompiledTable:
    """Built once. Raises ``ValueError`` for an id that is there twice."""
    table = crisis_table()

    def build(regex: str) -> re.Pattern[str]:
        # Folded scalars in the table leave a space at line breaks, hence VERBOSE: a space that is
        # meant is written \s.
        for name, part in table.parts.items():
            regex = regex.replace("{" + name + "}", f"(?:{part})")
        return re.compile(regex, re.VERBOSE)

    names = [idiom.id for idiom in table.exceptions] + [sign.id for sign in table.patterns]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"crisis table: id used twice: {sorted(twice)[0]}")
    return CompiledTable(
        traditional=str.maketrans(table.traditional),
        exceptions=[build(entry.regex) for entry in table.exceptions],
        patterns=[(Finding(p.category, p.id), build(p.regex)) for p in table.patterns],
    )


def normalised(text: str, *, joined: bool) -> str:
    """The text as the patterns see it.

    Full-width forms become plain, letters small, the main traditional characters simplified;
    zero-width characters go, as does filler in spelt-out words (``s.u.i.c.i.d.e``) and, when
    ``joined``, between Han characters (``自 杀``).
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = "".join(
        c for c in text if c.isspace() or unicodedata.category(c) not in ("Cf", "Cc", "Cs")
    )
    text = text.translate(compiled_table().traditional).replace("’", "'").replace("‘", "'")
    text = re.sub(r"[^\S\n]+", " ", text)
    if joined:
        text = BETWEEN_HAN.sub("", text)
    return SPELLED_OUT.sub(lambda found: re.sub(FILLER, "", found.group()), text)


def scan(text: str) -> list[Finding]:
    """Every pattern that the text meets, in the table's order; empty when there is none."""
    compiled = compiled_table()
    # Both ways, because a space between Han characters is filler to some and a comma to others:
    # 想死 他们不管 must not read as 想死他们.
    views = {normalised(text, joined=False), normalised(text, joined=True)}
    seen = [_without_idioms(view) for view in views]
    return [f for f, pattern in compiled.patterns if any(pattern.search(view) for view in seen)]


def _without_idioms(text: str) -> str:
    for idiom in compiled_table().exceptions:
        text = idiom.sub(REMOVED, text)
    return text
