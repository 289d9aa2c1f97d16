"""Codings of one dialogue side by side, though their raters cut the volleys differently.

A volley's text is cut wherever any of the codings cuts it; such a segment lies inside one utterance
of every coding. Knows characters and codes, not who is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mi_arena.miti.coding import Coding, Volley
from mi_arena.miti.items import GLOBALS, Code, GlobalKey
from mi_arena.miti.rules import valid_global


class NotAligned(ValueError):
    """The codings are not of the same text. One line: which coding and volley, without its text.

    Positions count from 1.
    """


@dataclass(frozen=True)
class Segment:
    """The longest stretch of a volley that no coding cuts. One entry per coding, in their order."""

    text: str
    codes: tuple[Code | None, ...]
    """Of the utterance that covers the segment."""
    cut: tuple[bool, ...]
    """Whether the coding begins an utterance here."""

    @property
    def agree(self) -> bool:
        """Whether all have the same code, or all have none."""
        return len(set(self.codes)) == 1


@dataclass(frozen=True)
class AlignedVolley:
    """The segments of one volley in order; joined they are its text. None for an empty one."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class GlobalApart:
    """One global as every coding rates it, in their order; ``None`` where there is no rating."""

    key: GlobalKey
    values: tuple[int | None, ...]

    @property
    def spread(self) -> int | None:
        """Highest minus lowest, 0 to 4; ``None`` where fewer than two rated it."""
        given = [value for value in self.values if value is not None]
        return max(given) - min(given) if len(given) > 1 else None


def align(codings: Sequence[Coding]) -> tuple[AlignedVolley, ...]:
    """The volleys of the dialogue, each cut wherever one of the codings cuts it.

    Raises ``NotAligned`` where the texts of a volley differ by a character, where volleys are
    missing or only totals were given, and where a code stands on no text.
    """
    every = [_volleys(coding, number) for number, coding in enumerate(codings, 1)]
    if not every:
        raise NotAligned("there is no coding to align")
    first = every[0]
    for number, volleys in enumerate(every[1:], 2):
        if len(volleys) != len(first):
            raise NotAligned(
                f"coding {number} has another number of volleys than coding 1: "
                f"{len(volleys)}, not {len(first)}"
            )
        for place, (one, other) in enumerate(zip(first, volleys, strict=True), 1):
            if _text(one) != _text(other):
                raise NotAligned(f"volley {place}: coding {number} has another text than coding 1")
    return tuple(_aligned(same) for same in zip(*every, strict=True))


def globals_apart(codings: Sequence[Coding]) -> tuple[GlobalApart, ...]:
    """The four globals, each with the ratings of all codings.

    What is no rating (6, 3.5) counts as none.
    """
    return tuple(
        GlobalApart(key, tuple(_rating(coding, key) for coding in codings)) for key in GLOBALS
    )


def _volleys(coding: Coding, number: int) -> tuple[Volley, ...]:
    if coding.volleys is None:
        what = "no volleys" if coding.counts is None else "totals only"
        raise NotAligned(f"coding {number} has {what}: there are no utterances to align")
    for place, volley in enumerate(coding.volleys, 1):
        for position, utterance in enumerate(volley.utterances, 1):
            if utterance.code is not None and not utterance.text:
                raise NotAligned(
                    f"volley {place}: utterance {position} of coding {number} "
                    "has a code and no text"
                )
    return coding.volleys


def _text(volley: Volley) -> str:
    return "".join(utterance.text for utterance in volley.utterances)


def _aligned(volleys: Sequence[Volley]) -> AlignedVolley:
    text = _text(volleys[0])
    every = [_begins(volley) for volley in volleys]
    points = sorted({begin for begins in every for begin in begins})
    codes: list[Code | None] = [None] * len(every)
    segments = []
    for start, end in pairwise([*points, len(text)]):
        codes = [begins.get(start, code) for begins, code in zip(every, codes, strict=True)]
        cut = tuple(start in begins for begins in every)
        segments.append(Segment(text[start:end], tuple(codes), cut))
    return AlignedVolley(tuple(segments))


def _begins(volley: Volley) -> dict[int, Code | None]:
    """Where each utterance begins, in characters, and its code."""
    begins: dict[int, Code | None] = {}
    at = 0
    for utterance in volley.utterances:
        if utterance.text:
            begins[at] = utterance.code
        at += len(utterance.text)
    return begins


def _rating(coding: Coding, key: GlobalKey) -> int | None:
    value = coding.globals.get(key)
    return int(value) if value is not None and valid_global(value) else None
