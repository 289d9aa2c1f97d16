"""Scores a rater's coding of a vignette against the known one, and says why codes differ.

The reasons for codes that are often confused stand in ``confusions.yaml``. Knows two codings and a
bar, not who practises, which vignettes there are or how many must be passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mi_arena.miti.alignment import Segment, align, globals_apart
from mi_arena.miti.coding import Coding
from mi_arena.miti.items import Code, GlobalKey, Lang, Wording, items
from mi_arena.packaged_yaml import packaged_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bar(_Strict):
    """What passing takes."""

    share: float = Field(default=0.7, gt=0, le=1)
    """Of the known utterances that must carry the known code."""
    globals_within: int = Field(default=1, strict=True, ge=0, le=4)
    """How far each global may lie from the known one."""


@dataclass(frozen=True)
class Mark:
    """One utterance of the known coding and what the rater made of it. Positions count from 1."""

    volley: int
    utterance: int
    text: str
    known: Code | None
    given: Code | None
    """The known code where all of the utterance carries it, else the first other one on it."""

    @property
    def equal(self) -> bool:
        return self.given == self.known

    @property
    def why(self) -> Wording | None:
        """Why it is the known code and not the given one; ``None`` where they are equal."""
        return None if self.equal else reason(self.known, self.given)


@dataclass(frozen=True)
class Score:
    """How a coding compares with the known one."""

    marks: tuple[Mark, ...]
    """Every utterance of the known coding that has text, in order; at least one."""
    globals: dict[GlobalKey, int | None]
    """Given minus known for each global of the known coding; ``None`` where none was given."""
    bar: Bar

    @property
    def n(self) -> int:
        return len(self.marks)

    @property
    def equal(self) -> int:
        """How many utterances carry the known code; no code is equal to no code."""
        return sum(mark.equal for mark in self.marks)

    @property
    def share(self) -> float:
        """``equal`` of ``n``, 0 to 1."""
        return self.equal / self.n

    @property
    def passed(self) -> bool:
        """Whether the share and every global reach the bar; one not given does not."""
        within = self.bar.globals_within
        return self.share >= self.bar.share and all(
            difference is not None and abs(difference) <= within
            for difference in self.globals.values()
        )


def score(given: Coding, known: Coding, bar: Bar) -> Score:
    """How ``given`` compares with ``known``, utterance by known utterance, however it was cut.

    Raises ``NotAligned`` where the two are not of the same text (coding 1 is the known one), and
    ``ValueError`` where the known coding has no utterances.
    """
    marks = tuple(_marks(known, given))
    if not marks:
        raise ValueError("the known coding has no utterances: there is nothing to score")
    return Score(marks, dict(_differences(known, given)), bar)


def reason(known: Code | None, given: Code | None) -> Wording:
    """One line on why it is ``known``, in both languages; ``None`` stands for no code.

    Our own wording for the pairs in ``confusions.yaml``, else the definitions of the two.
    """
    table = _confusions()
    listed = table.reasons.get((known, given))
    if listed is not None:
        return listed
    return Wording(zh=table.filled(known, given, "zh"), en=table.filled(known, given, "en"))


def _marks(known: Coding, given: Coding) -> Iterator[Mark]:
    for number, volley in enumerate(align((known, given)), 1):
        utterances: list[list[Segment]] = []
        for segment in volley.segments:
            if segment.cut[0]:
                utterances.append([])
            utterances[-1].append(segment)
        for place, parts in enumerate(utterances, 1):
            right = parts[0].codes[0]
            others = [part.codes[1] for part in parts if part.codes[1] != right]
            text = "".join(part.text for part in parts)
            yield Mark(number, place, text, right, others[0] if others else right)


def _differences(known: Coding, given: Coding) -> Iterator[tuple[GlobalKey, int | None]]:
    for one in globals_apart((known, given)):
        right, rated = one.values
        if right is not None:
            yield one.key, None if rated is None else rated - right


class _Named(_Strict):
    name: Wording
    definition: Wording


class _Confusion(_Strict):
    known: Code | None
    given: Code | None
    why: Wording


class _Confusions(_Strict):
    """The whole of ``confusions.yaml``."""

    otherwise: Wording
    """The template for pairs that are not listed."""
    uncoded: _Named
    confusions: tuple[_Confusion, ...]

    @model_validator(mode="after")
    def _each_once(self) -> _Confusions:
        seen: set[tuple[Code | None, Code | None]] = set()
        for one in self.confusions:
            pair = (one.known, one.given)
            if one.known == one.given or pair in seen:
                raise ValueError(f"confusions: {pair} is listed twice or is no confusion")
            seen.add(pair)
        return self

    @cached_property
    def reasons(self) -> dict[tuple[Code | None, Code | None], Wording]:
        return {(one.known, one.given): one.why for one in self.confusions}

    def filled(self, known: Code | None, given: Code | None, lang: Lang) -> str:
        right, wrong = self._named(known), self._named(given)
        return self.otherwise.of(lang).format(
            known=right.name.of(lang),
            known_definition=right.definition.of(lang),
            given=wrong.name.of(lang),
            given_definition=wrong.definition.of(lang),
        )

    def _named(self, code: Code | None) -> _Named:
        if code is None:
            return self.uncoded
        item = next(item for item in items().codes if item.code == code)
        return _Named(name=item.name, definition=item.definition)


@cache
def _confusions() -> _Confusions:
    return _Confusions.model_validate(packaged_yaml("mi_arena.miti", "confusions.yaml"))
