"""Masks what would tell who somebody is: numbers, accounts, addresses, names; Chinese and English.

A mask keeps the kind (``[PHONE]``) and nothing else. The same text always gives the same result.
Patterns stand in one reviewable table (``personal_data.yaml``); phone numbers are found by
``phonenumbers``, Chinese names by ``jieba``'s tagger. It errs towards masking: what a stranger
can't read costs a reader little.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from phonenumbers import Leniency, PhoneNumberMatcher
from pydantic import BaseModel, ConfigDict, Field

from mi_arena.packaged_yaml import packaged_yaml
from mi_arena.safety.numbers_in_text import Plain, numbers_in, plain

Kind = Literal["EMAIL", "ID", "BANK", "PHONE", "ACCOUNT", "ADDRESS", "NAME"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Where findings overlap, the first of these gives the mask its name."""
REGIONS = ("CN", "US", "GB")
"""Whose national ways of writing a phone number are known; any other needs its +."""
_MASK = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")
_HAN_RUN = re.compile("[\u3400-\u9fff]{2,}")


class DataPattern(BaseModel):
    """One way in which personal data is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    kind: Kind
    regex: str
    note: str


class PersonalDataTable(BaseModel):
    """The table as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: dict[str, str]
    patterns: list[DataPattern] = Field(min_length=1)
    not_names_en: str
    not_names_zh: str
    public_numbers: list[str]
    common_surnames: str
    rarer_surnames: str
    compound_surnames: str
    given_name_characters: str


class Span(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) are personal data of this kind."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True)
class Masked:
    """A text without its personal data."""

    text: str
    counts: Counter[Kind]
    """How often each kind was masked."""


@dataclass(frozen=True)
class _Compiled:
    patterns: list[tuple[Kind, re.Pattern[str]]]
    public_numbers: frozenset[str]
    name: re.Pattern[str]
    not_names: frozenset[str]


def personal_data_table() -> PersonalDataTable:
    return PersonalDataTable.model_validate(packaged_yaml("mi_arena.safety", "personal_data.yaml"))


def mask(text: str) -> Masked:
    """The text with every find replaced by the name of its kind in brackets.

    Full-width digits, digits of other scripts, digits in Chinese characters and zero-width
    characters hide nothing. Masking twice changes nothing.
    """
    counts: Counter[Kind] = Counter()
    # A mask may uncover what stood too close to it; each turn leaves less text than the one before.
    while found := find(text):
        counts.update(span.kind for span in found)
        parts: list[str] = []
        at = 0
        for span in found:
            parts += [text[at : span.start], f"[{span.kind}]"]
            at = span.end
        text = "".join([*parts, text[at:]])
    return Masked(text, counts)


def find(text: str) -> list[Span]:
    """Where personal data stands, from the beginning to the end, without overlaps."""
    seen = plain(text)
    # An earlier mask is no text: nothing is found in it, and nothing reads across it.
    held = [match.span() for match in _MASK.finditer(seen.text)]
    seen = replace(seen, text=_MASK.sub(lambda held: "\0" * len(held.group()), seen.text))
    found = {*_by_pattern(seen), *_by_number(seen), *_phones(seen), *_names(seen)}
    kept = [span for span in found if not _public(seen.text[span.start : span.end])]
    pieces = sorted(piece for span in kept for piece in _around(span, held))
    return [Span(*seen.original(s.start, s.end), s.kind) for s in _merged(pieces)]


def _around(span: Span, held: list[tuple[int, int]]) -> Iterator[Span]:
    """What is left of a span beside the masks in it."""
    start = span.start
    for mask_start, mask_end in held:
        if start < mask_end and mask_start < span.end:
            if start < mask_start:
                yield Span(start, mask_start, span.kind)
            start = mask_end
    if start < span.end:
        yield Span(start, span.end, span.kind)


def _merged(found: list[Span]) -> Iterator[Span]:
    """Overlapping spans as one: no mask may leave half of what another rule saw."""
    current: Span | None = None
    for span in found:
        if current is not None and span.start < current.end:
            kind = min(current.kind, span.kind, key=KINDS.index)
            current = Span(current.start, max(current.end, span.end), kind)
            continue
        if current is not None:
            yield current
        current = span
    if current is not None:
        yield current


def _by_pattern(seen: Plain) -> Iterator[Span]:
    for kind, pattern in _compiled().patterns:
        for match in pattern.finditer(seen.text):
            group = "mask" if "mask" in pattern.groupindex else 0
            start, end = match.span(group)
            if kind == "ADDRESS":
                start = _without_lead(seen.text, start, end)
            if start < end:
                yield Span(start, end, kind)


_DIGIT = re.compile(r"\d")
_LEAD = re.compile(
    "住在|搬到|位于|寄到|送到|来到|地址是|住址是|家在|老家|人在|就在|住|在|到|去|是|：|:|，|,|。"
)


def _without_lead(text: str, start: int, end: int) -> int:
    """Where the address itself begins: what leads up to it is no part of it."""
    digit = _DIGIT.search(text, start, end)
    for lead in _LEAD.finditer(text, start, digit.start() if digit else end):
        # Not a character of the street's own name, such as 在 near its end.
        if lead.end() <= end - 4:
            start = lead.end()
    return start


def _by_number(seen: Plain) -> Iterator[Span]:
    for number in numbers_in(seen.text):
        yield Span(number.start, number.end, number.kind)


def _phones(seen: Plain) -> Iterator[Span]:
    if sum(character.isdigit() for character in seen.text) < 7:
        return
    regions = REGIONS[:2] if _HAN_RUN.search(seen.text) else REGIONS
    for region in regions:
        # Its own limit on tries is for pages; all of a text is looked at here.
        for match in PhoneNumberMatcher(
            seen.text, region, leniency=Leniency.VALID, max_tries=100_000
        ):
            yield Span(match.start, match.end, "PHONE")


def _public(said: str) -> bool:
    """Whether it is a helpline's number, or a firm's (400 and 800)."""
    if not re.fullmatch(r"[\d\s()+.\-]+", said):
        return False
    digits = re.sub(r"\D", "", said)
    return digits in _compiled().public_numbers or bool(re.fullmatch(r"[48]00\d{7}", digits))


def _names(seen: Plain) -> Iterator[Span]:
    """Chinese names by the tagger, where a surname begins them and their characters suit a name."""
    name = _compiled().name
    for run in _HAN_RUN.finditer(seen.text):
        # The tagger takes milliseconds for a sentence, and most have nothing like a name in them.
        if name.search(run.group()):
            yield from _names_in(run.group(), run.start())


def _names_in(run: str, at: int) -> Iterator[Span]:
    """The names in a run of Chinese characters that begins at ``at``."""
    compiled = _compiled()
    words = [(pair.word, pair.flag) for pair in _tagger().lcut(run)]
    begin = 0
    for (word, flag), (after, flag_after) in pairwise([*words, ("", "")]):
        start, begin = begin, begin + len(word)
        if not flag.startswith("nr") or word in compiled.not_names:
            continue
        end = begin
        if len(word) == 1 and flag_after.startswith("nr") and after not in compiled.not_names:
            end += len(after)  # 王 and 秀英, tagged one by one
        if compiled.name.fullmatch(run, start, end):
            yield Span(at + start, at + end, "NAME")


@cache
def _tagger():  # type: ignore[no-untyped-def]
    import jieba

    jieba.setLogLevel(logging.WARNING)
    from jieba import posseg

    return posseg


@cache
def _compiled() -> _Compiled:
    """Built once. Raises ``ValueError`` for an id that is there twice."""
    table = personal_data_table()
    names = [pattern.id for pattern in table.patterns]
    if len(set(names)) < len(names):
        raise ValueError("personal data: an id is used twice")
    common = "".join(table.common_surnames.split())
    every = common + "".join(table.rarer_surnames.split())
    parts = table.parts | {
        "common": f"[{common}]",
        "surname": f"[{every}]",
        "compound": f"(?:{'|'.join(table.compound_surnames.split())})",
        "given": f"[{''.join(table.given_name_characters.split())}]",
        "not_name": f"(?:{'|'.join(table.not_names_en.split())})",
    }

    def build(regex: str) -> re.Pattern[str]:
        for _ in range(2):  # a part may hold another
            for name, part in parts.items():
                regex = regex.replace("{" + name + "}", part)
        return re.compile(regex, re.VERBOSE)

    name = build(
        "(?: {compound} | {common} | [高金方白] ) (?: {given} | {given}{han} | {han}{given} )"
        "| {compound} {han}{1,2} | [老小阿] {common} | [小阿] {given}"
    )
    return _Compiled(
        patterns=[(one.kind, build(one.regex)) for one in table.patterns],
        public_numbers=frozenset(re.sub(r"\D", "", number) for number in table.public_numbers),
        name=name,
        not_names=frozenset(table.not_names_zh.split()),
    )
