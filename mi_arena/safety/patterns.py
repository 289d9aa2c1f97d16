"""Tables of patterns: idioms are cut out, patterns look at what is left, guards excuse a match.

It knows how a table is read and searched, not what is dangerous: that stands in the tables
(``crisis.yaml``, ``replies.yaml``), which are made to be read and argued about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mi_arena.packaged_yaml import packaged_yaml
from mi_arena.safety.categories import Category, Lang
from mi_arena.safety.plain_text import HAN, views

REMOVED = "\n"
"""What stands for an idiom taken out; no pattern reaches across a line end."""
_CLAUSE = re.compile(r"[,;:、。.!?\n]")
_SENTENCE = re.compile(r"[。.!?\n]")
_LETTER: dict[Lang, re.Pattern[str]] = {
    "zh": re.compile(rf"[{HAN}]"),
    "en": re.compile("[a-z]"),
}

Where = Literal["before", "after", "match", "clause", "sentence", "text"]
"""Where a guard looks: the clause up to the match, from it on, the match alone, or around it."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    regex: str
    note: str


class Idiom(_Entry):
    """A harmless idiom, taken out of the text before the patterns look at it."""

    lang: Lang


class Guard(_Entry):
    """What excuses a match, such as a negation before it; not where ``but`` is in the text."""

    where: Where
    but: str | None = None


class Pattern(_Entry):
    """One sign of danger. ``unless`` names guards; left out, those usual in its category hold.

    ``beside`` names parts, each of which must be in the sentence too, in any order (``within:
    text``: anywhere). ``wide``: it meets harmless clauses as well, so that the rest of the text
    tells; what any other meets in a short clause is a plain statement.
    """

    lang: Lang
    category: Category
    beside: list[str] = []
    within: Literal["sentence", "text"] = "sentence"
    unless: list[str] | None = None
    wide: bool = False


class Table(BaseModel):
    """A table as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: dict[str, str]
    guards: list[Guard] = []
    usual: dict[Category, list[str]] = {}
    exceptions: list[Idiom] = []
    patterns: list[Pattern] = Field(min_length=1)


@dataclass(frozen=True)
class Finding:
    """A pattern that a text meets."""

    category: Category
    pattern_id: str


Known = dict[tuple[int, str], bool]
"""What was searched already, by pattern and text: matches that repeat share their clause."""
FAR = 120
"""Characters before and after a match at which its clause or sentence ends at the latest, so that
one that goes on and on is not searched whole for every match in it."""


@dataclass(frozen=True)
class Excuse:
    """A guard made ready."""

    where: Where
    regex: re.Pattern[str]
    but: re.Pattern[str] | None

    def holds(self, text: str, found: re.Match[str], known: Known) -> bool:
        if not _met(self.regex, _around(text, found, self.where), known):
            return False
        return self.but is None or not _met(self.but, text, known)


@dataclass(frozen=True)
class Sign:
    """A pattern made ready, with what excuses a match."""

    finding: Finding
    lang: Lang
    regex: re.Pattern[str]
    beside: list[re.Pattern[str]]
    within: Where
    excuses: list[Excuse]

    def in_text(self, text: str) -> bool:
        """Whether a plain text meets it; one without a letter of its script is not looked at."""
        if not _LETTER[self.lang].search(text):
            return False
        known: Known = {}
        return any(self._counts(text, found, known) for found in self.regex.finditer(text))

    def _counts(self, text: str, found: re.Match[str], known: Known) -> bool:
        if self.beside:
            around = _around(text, found, self.within)
            if not all(_met(other, around, known) for other in self.beside):
                return False
        return not any(excuse.holds(text, found, known) for excuse in self.excuses)


@dataclass(frozen=True)
class Signs:
    """A table as it is searched with."""

    idioms: list[re.Pattern[str]]
    signs: list[Sign]

    def in_text(self, text: str) -> list[Finding]:
        """Every pattern that the text meets, in the table's order; empty when there is none."""
        return self.among(text, self.signs, self.idioms)

    @staticmethod
    def among(text: str, signs: Iterable[Sign], idioms: Iterable[re.Pattern[str]]) -> list[Finding]:
        """The same with some signs and idioms alone: for who knows that the others can't be met."""
        seen = views(text)
        for idiom in idioms:
            seen = [idiom.sub(REMOVED, view) for view in seen]
        return [sign.finding for sign in signs if any(sign.in_text(view) for view in seen)]


@cache
def table(name: str) -> Table:
    """The table of that file name in this package."""
    return Table.model_validate(packaged_yaml("mi_arena.safety", name))


@cache
def wide(name: str) -> frozenset[str]:
    """The ids of its wide patterns."""
    return frozenset(pattern.id for pattern in table(name).patterns if pattern.wide)


@cache
def signs(name: str) -> Signs:
    """A table made ready once. Raises ``ValueError`` for an id that is there twice or unknown."""
    written = table(name)
    ids = [entry.id for entry in (*written.guards, *written.exceptions, *written.patterns)]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise ValueError(f"{name}: id used twice: {twice[0]}")
    parts = _parts(written)
    excuses = {
        guard.id: Excuse(
            guard.where,
            _compiled(guard.regex, parts),
            _compiled(guard.but, parts) if guard.but else None,
        )
        for guard in written.guards
    }
    made = []
    for pattern in written.patterns:
        usual = written.usual.get(pattern.category, [])
        named = usual if pattern.unless is None else pattern.unless
        if unknown := [one for one in named if one not in excuses]:
            raise ValueError(f"{name}: {pattern.id}: no guard {unknown[0]}")
        finding = Finding(pattern.category, pattern.id)
        if unknown := [one for one in pattern.beside if one not in parts]:
            raise ValueError(f"{name}: {pattern.id}: no part {unknown[0]}")
        made.append(
            Sign(
                finding,
                pattern.lang,
                _compiled(pattern.regex, parts),
                [_compiled(parts[one], {}) for one in pattern.beside],
                pattern.within,
                [excuses[one] for one in named],
            )
        )
    return Signs([_compiled(idiom.regex, parts) for idiom in written.exceptions], made)


def _parts(written: Table) -> dict[str, str]:
    """Building blocks, each with those written before it put in."""
    parts: dict[str, str] = {}
    for name, regex in written.parts.items():
        parts[name] = _filled(regex, parts)
    return parts


def _filled(regex: str, parts: dict[str, str]) -> str:
    for name, part in parts.items():
        regex = regex.replace("{" + name + "}", f"(?:{part})")
    return regex


def _compiled(regex: str, parts: dict[str, str]) -> re.Pattern[str]:
    # Folded scalars in a table leave a space at line breaks, hence VERBOSE: a space that is meant
    # is written \s.
    return re.compile(_filled(regex, parts), re.VERBOSE)


def _around(text: str, found: re.Match[str], where: Where) -> str:
    match where:
        case "text":
            return text
        case "match":
            return found.group()
        case "before":
            return text[_start(text, found, _CLAUSE) : found.start()]
        case "after":
            return text[found.end() : _end(text, found, _CLAUSE)]
        case "clause":
            return text[_start(text, found, _CLAUSE) : _end(text, found, _CLAUSE)]
        case "sentence":
            return text[_start(text, found, _SENTENCE) : _end(text, found, _SENTENCE)]


def _start(text: str, found: re.Match[str], limits: re.Pattern[str]) -> int:
    first = max(0, found.start() - FAR)
    ends: Iterator[int] = (one.end() for one in limits.finditer(text, first, found.start()))
    return max(ends, default=first)


def _end(text: str, found: re.Match[str], limits: re.Pattern[str]) -> int:
    """Where the match's clause or sentence ends, its mark included: a question is one by it."""
    last = min(len(text), found.end() + FAR)
    limit = limits.search(text, found.end(), last)
    return limit.end() if limit else last


def _met(regex: re.Pattern[str], text: str, known: Known) -> bool:
    key = id(regex), text
    if key not in known:
        known[key] = regex.search(text) is not None
    return known[key]
