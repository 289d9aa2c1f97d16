"""Personal numbers in free text, by their digits: identity cards, bank cards, phones, long numbers.

Knows how people write digits (full-width, in Chinese characters, in groups), and check digits: GB
11643 (ISO 7064, MOD 11-2) for identity cards of mainland China, Luhn (ISO/IEC 7812-1) for cards.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

HAN_DIGITS = {
    **{character: str(value) for value, character in enumerate("零一二三四五六七八九")},
    "〇": "0", "○": "0", "幺": "1", "两": "2", "壹": "1", "贰": "2", "叁": "3", "肆": "4",
    "伍": "5", "陆": "6", "柒": "7", "捌": "8", "玖": "9",
}  # fmt: skip
_SPELT = rf"[{''.join(HAN_DIGITS)}\d]"
_HAN_RUN = re.compile(rf"{_SPELT}(?:[ ,、\-]?{_SPELT}){{6,}}")
"""Seven and more in a row count nothing: they spell a number out."""
_COMMAS = str.maketrans(",、", "--")
_INVISIBLE = frozenset("\ufe0e\ufe0f\u20e3")
"""What makes an emoji of a digit."""
_BETWEEN = r"[ \t\u00a0.·•_~\-–—()]{0,3}"
_CHAIN = re.compile(rf"\d(?:{_BETWEEN}\d)*(?:{_BETWEEN}[Xx](?![A-Za-z]))?")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_MOBILE = re.compile(r"(?:(?:00)?86)?1[3-9]\d{9}")
_LANDLINE = re.compile(r"(?:(?:00)?86)?0?(?:(?<=86)|(?<=0))(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}")
_CARD = re.compile(r"[3-69]\d{12,18}")
_BORN = r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_IDENTITY = re.compile(rf"[1-8]\d{{5}}{_BORN}\d{{3}}[\dXx]")
_IDENTITY_OLD = re.compile(r"[1-8]\d{5}\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}")
LONG = 9
"""So many digits in one piece are a number of something, whatever it is."""
MOST_GROUPS = 6

NumberKind = Literal["ID", "BANK", "PHONE", "ACCOUNT"]


@dataclass(frozen=True)
class Plain:
    """A text as rules see it, and where each of its characters stood before."""

    text: str
    places: tuple[int, ...]
    """The original place of each character; one more for the end."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """A non-empty span in the original text."""
        return self.places[start], self.places[end - 1] + 1


class Number(NamedTuple):
    """A personal number at ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    kind: NumberKind


def plain(text: str) -> Plain:
    """NFKC by character, digits of every script as ASCII, spelt-out Chinese numbers as digits, and
    no zero-width characters."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for one in unicodedata.normalize("NFKC", character):
            if one in _INVISIBLE or unicodedata.category(one) == "Cf":
                continue
            characters.append(str(unicodedata.decimal(one)) if one.isdecimal() else one)
            places.append(place)
    seen = "".join(characters)
    seen = _HAN_RUN.sub(_spelt_out, seen)
    return Plain(seen, (*places, len(text)))


def _spelt_out(run: re.Match[str]) -> str:
    """Of the same length. A comma parts groups only where somebody spells."""
    said = run.group()
    if not HAN_DIGITS.keys() & set(said):
        return said
    return "".join(HAN_DIGITS.get(character, character) for character in said).translate(_COMMAS)


def numbers_in(text: str) -> Iterator[Number]:
    """What is personal among the numbers of a text in plain digits; spans may overlap."""
    for chain in _CHAIN.finditer(text):
        groups = [
            (chain.start() + group.start(), chain.start() + group.end())
            for group in re.finditer(r"\d+[Xx]?|[Xx]", chain.group())
        ]
        for first in range(len(groups)):
            yield from _longest(text, groups, first)
        for start, end in groups:
            if end - start >= LONG and not _round(text[start:end]):
                yield Number(start, end, "ACCOUNT")


def _longest(text: str, groups: list[tuple[int, int]], first: int) -> Iterator[Number]:
    """The longest personal number that begins with this group."""
    for last in range(min(len(groups), first + 20) - 1, first - 1, -1):
        chosen = groups[first : last + 1]
        kind = kind_of([text[start:end] for start, end in chosen])
        if kind is not None:
            yield Number(chosen[0][0], chosen[-1][1], kind)
            return


def kind_of(groups: list[str]) -> NumberKind | None:
    """What kind of personal number these groups of digits are together, if any.

    A number is written in a few groups, or digit by digit: 13 14 15 16 is a list.
    """
    sizes = [len(group) for group in groups]
    one_by_one = len(groups) > 1 and max(sizes) == 1
    in_groups = len(groups) <= MOST_GROUPS and (len(groups) == 1 or min(sizes[:-1]) > 1)
    if not (one_by_one or in_groups):
        return None
    digits = "".join(groups)
    if is_identity_number(digits):
        return "ID"
    digits = digits.rstrip("Xx")
    if _MOBILE.fullmatch(digits) or (len(groups) > 1 and _is_landline(digits, groups)):
        return "PHONE"
    if _CARD.fullmatch(digits) and luhn(digits) and (one_by_one or min(sizes[:-1] or [4]) >= 4):
        return "BANK"
    return None


def is_identity_number(text: str) -> bool:
    """18 digits with a region and a birthday, or 15 of the old form.

    The check digit may be wrong: a slip of the pen is as telling. It decides for a number whose
    birthday can't be one.
    """
    if _IDENTITY.fullmatch(text) or _IDENTITY_OLD.fullmatch(text):
        return True
    return bool(re.fullmatch(r"\d{17}[\dXx]", text)) and identity_check(text)


def identity_check(text: str) -> bool:
    """GB 11643: whether the last of 18 characters is the check digit of the others."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text[:17], strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: whether the last digit is the check digit of the others."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_landline(digits: str, groups: list[str]) -> bool:
    """An area code of mainland China and a number, apart from each other."""
    return bool(_LANDLINE.fullmatch(digits)) and (groups[0].startswith("0") or groups[0] == "86")


def _round(digits: str) -> bool:
    """100000000 is an amount."""
    return re.fullmatch("[1-9]0+", digits) is not None
