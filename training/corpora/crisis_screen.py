"""Which crisis patterns a message may meet at all: a quick look at what it is made of.

``mi_arena.safety.crisis`` decides; asking it about each of 600,000 messages takes minutes. Every
match of a pattern holds certain characters and strings (自杀, say), whatever way it is spelt. They
are read from the pattern itself, so a message without them can be passed over and nothing missed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from re import _constants as op  # type: ignore[attr-defined]  # Python's own, without types
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from mi_arena.safety.crisis import crisis_signs
from mi_arena.safety.patterns import Finding, Signs
from mi_arena.safety.plain_text import plain_characters

COMMON = (
    "的我是你不一有自己会这可能到以在要了很对心人个好来得们也理他解如些过觉想力都生法受去让找现意多常样就说没"
    "下事同中够困出望着经学地看于道谢知间难上起真给求活后那大所希发正动别行友作家之子开点听然提担从气白直内前"
    "用放爱身寻任她思总朋次里被业性话工孩天再才识压体害住已导母制怕结安失愿此立师父流始完全快亲服尽强把待福乐"
    "女量又控请像见痛伤值带老整走男价负复手离松边幸打将切单化克公妈社油抑勇必界断轻日清几物使"
)
"""Characters of the patterns by how many messages of SmileChat have them, the most common first:
the first stands in two thirds of them, the last in one of fifty. The rest is rarer."""
MOST = 400
"""Ways to meet a pattern that are told apart."""

NO_WORD = re.compile(r"[\W_]+")
"""All that the patterns' view of a text may leave out between the letters of a word."""

Need = frozenset[str]
"""Strings of word characters, one of which must be there."""
Needs = frozenset[Need]
"""All of which a match meets."""


def needed(pattern: re.Pattern[str]) -> list[Needs]:
    """Ways to meet a pattern, each with what it takes at least."""
    return _ways(parser.parse(pattern.pattern, pattern.flags))


def _ways(sequence: Iterable[tuple[Any, Any]]) -> list[Needs]:
    ways: set[Needs] = {frozenset()}
    for is_literal, elements in groupby(sequence, key=lambda element: element[0] is op.LITERAL):
        if is_literal:
            string = NO_WORD.sub("", "".join(chr(given) for _, given in elements))
            if string:
                ways = {way | {frozenset([string])} for way in ways}
            continue
        for code, given in elements:
            ways = _both(ways, set(_ways_of(code, given)))
    return list(ways)


def _both(ways: set[Needs], more: set[Needs]) -> set[Needs]:
    if not more or frozenset() in more:
        return ways
    if len(ways) * len(more) > MOST:
        # Told apart no longer: what holds for all of them, the most telling need of each.
        more = {frozenset([frozenset().union(*(min(way, key=_weight) for way in more))])}
    return {a | b for a in ways for b in more}


def _ways_of(code: Any, given: Any) -> list[Needs]:
    """For one element of a pattern; none where it needs nothing that can be named."""
    if code is op.IN:
        if all(kind is op.LITERAL for kind, _ in given):
            characters = frozenset(chr(one) for _, one in given)
            return (
                [] if any(NO_WORD.match(one) for one in characters) else [frozenset([characters])]
            )
        return []
    if code is op.BRANCH:
        return [way for branch in given[1] for way in _ways(branch)]
    if code is op.SUBPATTERN:
        return _ways(given[3])
    if code in (op.MAX_REPEAT, op.MIN_REPEAT) and given[0] > 0:
        return _ways(given[2])
    return []  # what may be left out, stands for many characters, or is looked at only


def _weight(need: Need) -> float:
    """In how many messages it is met, about: the less, the more it tells."""
    return sum(min(_share(character) for character in string) for string in need)


def _share(character: str) -> float:
    rank = COMMON.find(character)
    return 0.01 if rank < 0 else 0.7 / (1 + rank / 6)


_Way = tuple[int, int, tuple[str, ...]]
"""Bits of what is needed, the pattern's number, strings that must be there."""


class Sieve:
    """Tells which of some patterns a text may meet; the others it meets for certain not.

    What is needed (one of some characters) has a bit, so a way is looked at in one step.
    """

    def __init__(self, patterns: Sequence[re.Pattern[str]], traditional: Mapping[int, str]):
        self._traditional = traditional
        self._always: set[int] = set()
        self._bits: dict[str, int] = {}
        """For a character, the needs that it meets."""
        self._ways: dict[str, list[_Way]] = {}
        """For a telling character: what is needed with it."""
        self._met_by: dict[str, tuple[int, list[_Way]]] = {}
        """Both, for characters as they are written: full-width, traditional, and so on."""
        bit_of: dict[frozenset[str], int] = {}
        for number, pattern in enumerate(patterns):
            for way in needed(pattern):
                singles = [string for need in way if len(need) == 1 for string in need]
                strings = tuple(sorted(string for string in singles if len(string) > 1))
                needs = {frozenset(one) for string in singles for one in string} | {
                    frozenset(min(string, key=_share) for string in need)
                    for need in way
                    if len(need) > 1
                }
                if not needs:
                    self._always.add(number)
                    continue
                bits = 0
                for need in needs:
                    if need not in bit_of:
                        bit_of[need] = 1 << len(bit_of)
                        for character in need:
                            self._bits[character] = self._bits.get(character, 0) | bit_of[need]
                    bits |= bit_of[need]
                for character in min(needs, key=lambda one: (_weight(one), sorted(one))):
                    self._ways.setdefault(character, []).append((bits, number, strings))

    def may_meet(self, text: str) -> set[int]:
        """Numbers of the patterns."""
        met_by, met, telling = self._met_by, 0, []
        for character in set(text):
            try:
                bits, ways = met_by[character]
            except KeyError:
                bits, ways = self._learn(character)
            met |= bits
            if ways:
                telling.append(ways)
        found = set(self._always)
        words = None
        for ways in telling:
            for bits, number, strings in ways:
                if bits & met != bits or number in found:
                    continue
                if strings and words is None:
                    words = self._words(text)
                if all(string in words for string in strings if words is not None):
                    found.add(number)
        return found

    def _learn(self, character: str) -> tuple[int, list[_Way]]:
        bits, ways = 0, []
        for one in unicodedata.normalize("NFKC", character).casefold().translate(self._traditional):
            bits |= self._bits.get(one, 0)
            ways += self._ways.get(one, [])
        self._met_by[character] = bits, ways
        return bits, ways

    def _words(self, text: str) -> str:
        """Its word characters, as the patterns see them."""
        plain = unicodedata.normalize("NFKC", text).casefold()
        return NO_WORD.sub("", plain.translate(self._traditional))


@cache
def _sieves() -> tuple[Sieve, Sieve]:
    """Of the patterns and of the exceptions."""
    ready, same = crisis_signs(), plain_characters()
    return Sieve([sign.regex for sign in ready.signs], same), Sieve(ready.idioms, same)


def scan(text: str) -> list[Finding]:
    """What ``crisis.scan`` finds, and sooner: only what the text may meet is tried on it."""
    patterns, exceptions = _sieves()
    possible = patterns.may_meet(text)
    if not possible:
        return []
    ready = crisis_signs()
    return Signs.among(
        text,
        [ready.signs[number] for number in sorted(possible)],
        [ready.idioms[number] for number in sorted(exceptions.may_meet(text))],
    )
