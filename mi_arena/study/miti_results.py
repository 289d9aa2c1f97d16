"""What the MITI codings say of each system: means, thresholds, paired differences, agreement.

Rows in, tables out. Knows nothing of where codings come from or how a table is shown. Kinds of
coding, pairs and epochs are never counted together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Literal, NamedTuple, get_args

import numpy as np

from mi_arena.miti.agreement import ItemAgreement, Rating, agreement
from mi_arena.miti.coding import Coding
from mi_arena.miti.item_values import ITEMS, Item, item_values
from mi_arena.miti.items import Score
from mi_arena.miti.summary import THRESHOLDS, Level
from mi_arena.study.estimates import Estimate, Unit, estimates
from mi_arena.study.statistics import Interval, wilson

Source = Literal[
    "expert",
    "expert_suggested",
    "adjudicated",
    "self_trained",
    "self_untrained",
    "self_trained_blind",
    "self_untrained_blind",
    "judge",
]
"""Kinds of coding. ``self``: by whoever held the conversation; those without ``blind`` were made
after they had been told which arm was which."""
Bar = Literal["fair", "good"]

SOURCES: tuple[Source, ...] = get_args(Source)
BARS: tuple[Bar, ...] = get_args(Bar)
_BEFORE_REMOTE = ("base", "base_prompted", "tuned")
_AFTER_REMOTE = ("reference",)
_ROUNDED_TO = 9
"""Decimals of an average that is held against a threshold: the mean of 1/6, 1/3, 4/3 and 13/6 must
not miss 1 by its last bit."""


class CodingRow(NamedTuple):
    """The latest revision of one rater's coding of one dialogue, and what the dialogue was."""

    dialogue: str
    match: str | None
    """``None`` for a dialogue without a counterpart: it enters no paired difference."""
    system: str
    """``base``, ``base_prompted``, ``tuned``, ``reference`` or ``remote:NAME``."""
    pair: str
    epoch: str | None
    source: Source
    rater: str
    coding: Coding


@dataclass(frozen=True)
class ThresholdShares:
    """How many dialogues reach a threshold, of those in which the score is defined."""

    at_least: dict[Bar, Interval]
    left_out: int
    """Dialogues in which the score is undefined."""
    left_out_reason: str | None


@dataclass(frozen=True)
class SystemResults:
    """What was coded of one system."""

    system: str
    dialogues: int
    codings: int
    raters: int
    items: dict[Item, Estimate]
    """Over dialogues, in the order of ``ITEMS``."""
    thresholds: dict[Score, ThresholdShares]


@dataclass(frozen=True)
class PairedDifferences:
    """``system`` minus ``minus`` on each item, within matches."""

    system: str
    minus: str
    matches: int
    """Matches in which dialogues of both are coded."""
    items: dict[Item, Estimate]
    """Over matches, in the order of ``ITEMS``."""


@dataclass(frozen=True)
class GroupResults:
    """The results of one kind of coding for one pair in one epoch."""

    source: Source
    pair: str
    epoch: str | None
    dialogues: int
    codings: int
    raters: int
    systems: tuple[SystemResults, ...]
    """base, base_prompted, tuned, the remote ones by name, reference."""
    differences: tuple[PairedDifferences, ...]
    """Every two systems: those of tuned first, then the later minus the earlier of ``systems``."""
    agreement: dict[Item, ItemAgreement]
    """Over the dialogues, of all systems, that two or more raters coded."""
    no_agreement: dict[Item, str]
    """Why the other items have none."""


@dataclass(frozen=True)
class MitiResults:
    """One group for each kind of coding, pair and epoch, in the order of these."""

    groups: tuple[GroupResults, ...]


def miti_results(rows: Iterable[CodingRow]) -> MitiResults:
    """The tables of all codings; the order of ``rows`` does not matter.

    An item is averaged over the raters of a dialogue before anything else. A value that is
    undefined or missing is left out of that average; a dialogue in which no rater has a value is
    left out and counted as such. Raises ``ValueError`` with one line where a rater coded a
    dialogue twice, a dialogue is of two systems or matches, a match has two dialogues of one
    system, or a dialogue has two adjudicated codings.
    """
    grouped: dict[tuple[Source, str, str | None], list[CodingRow]] = {}
    for row in rows:
        grouped.setdefault((row.source, row.pair, row.epoch), []).append(row)
    keys = sorted(grouped, key=lambda key: (SOURCES.index(key[0]), key[1], key[2] or ""))
    return MitiResults(tuple(_group(*key, grouped[key]) for key in keys))


class _Form(NamedTuple):
    """What one rater gave: each item is either in ``values`` or in ``undefined``."""

    rater: str
    values: Mapping[Item, float]
    undefined: Mapping[Item, str]


class _Dialogue(NamedTuple):
    """A coded dialogue: its forms, and the averages over their raters."""

    name: str
    match: str | None
    system: str
    forms: Sequence[_Form]
    values: dict[Item, float]
    undefined: dict[Item, frozenset[str]]


def _group(source: Source, pair: str, epoch: str | None, rows: Sequence[CodingRow]) -> GroupResults:
    dialogues = _dialogues(rows)
    found, no_agreement = _agreement(source, dialogues)
    by_system: dict[str, list[_Dialogue]] = {}
    for dialogue in dialogues:
        by_system.setdefault(dialogue.system, []).append(dialogue)
    systems = sorted(by_system, key=_place)
    return GroupResults(
        source=source,
        pair=pair,
        epoch=epoch,
        dialogues=len(dialogues),
        codings=len(rows),
        raters=len({row.rater for row in rows}),
        systems=tuple(_system(system, by_system[system]) for system in systems),
        differences=_differences(dialogues),
        agreement=found,
        no_agreement=no_agreement,
    )


def _place(system: str) -> tuple[int, str]:
    if system in _BEFORE_REMOTE:
        return _BEFORE_REMOTE.index(system), system
    return len(_BEFORE_REMOTE) + (system in _AFTER_REMOTE), system


def _dialogues(rows: Sequence[CodingRow]) -> list[_Dialogue]:
    by_name: dict[str, list[CodingRow]] = {}
    for row in rows:
        by_name.setdefault(row.dialogue, []).append(row)
    return [_dialogue(name, by_name[name]) for name in sorted(by_name)]


def _dialogue(name: str, rows: Sequence[CodingRow]) -> _Dialogue:
    first = rows[0]
    if any((row.system, row.match) != (first.system, first.match) for row in rows):
        raise ValueError(f"dialogue {name} is of two systems or matches; it can be of one only")
    raters = [row.rater for row in rows]
    if first.source == "adjudicated" and len(rows) > 1:
        raise ValueError(f"dialogue {name} has {len(rows)} adjudicated codings; give one")
    if len(set(raters)) < len(raters):
        raise ValueError(f"dialogue {name} is coded twice by one rater; give the latest revision")
    forms = [_form(row) for row in rows]
    values = {
        item: fmean(given)
        for item in ITEMS
        if (given := [form.values[item] for form in forms if item in form.values])
    }
    undefined = {
        item: frozenset(form.undefined[item] for form in forms)
        for item in ITEMS
        if item not in values
    }
    return _Dialogue(name, first.match, first.system, forms, values, undefined)


def _form(row: CodingRow) -> _Form:
    given = item_values(row.coding)
    return _Form(row.rater, given.values, given.undefined)


def _system(system: str, dialogues: Sequence[_Dialogue]) -> SystemResults:
    items = _estimates(
        [dialogue.values for dialogue in dialogues],
        [dialogue.undefined for dialogue in dialogues],
        "dialogue",
    )
    forms = [form for dialogue in dialogues for form in dialogue.forms]
    return SystemResults(
        system=system,
        dialogues=len(dialogues),
        codings=len(forms),
        raters=len({form.rater for form in forms}),
        items=items,
        thresholds={
            score: _threshold_shares(
                score,
                [dialogue.values[score] for dialogue in dialogues if score in dialogue.values],
                items[score],
            )
            for score in THRESHOLDS
        },
    )


def _estimates(
    values: Sequence[Mapping[Item, float]],
    undefined: Sequence[Mapping[Item, frozenset[str]]],
    unit: Unit,
) -> dict[Item, Estimate]:
    """Each item over dialogues or matches; ``values`` and ``undefined`` have one entry for each."""
    table = np.array([[one.get(item, np.nan) for item in ITEMS] for one in values])
    reasons = [
        "; ".join(sorted(frozenset().union(*(one.get(item, ()) for one in undefined)))) or None
        for item in ITEMS
    ]
    return dict(zip(ITEMS, estimates(table, reasons, unit), strict=True))


def _threshold_shares(score: Score, values: Sequence[float], estimate: Estimate) -> ThresholdShares:
    """``estimate`` is that of the same values: it knows what was left out, and why."""
    levels: list[Level] = [THRESHOLDS[score].level(round(value, _ROUNDED_TO)) for value in values]
    reached: dict[Bar, int] = {
        "fair": len(levels) - levels.count("below"),
        "good": levels.count("good"),
    }
    shares = {bar: wilson(reached[bar], len(levels)) for bar in BARS}
    return ThresholdShares(
        at_least={
            bar: replace(
                share,
                method=f"{share.method}, over dialogues",
                reason=None if share.reason is None else estimate.reason,
            )
            for bar, share in shares.items()
        },
        left_out=estimate.left_out,
        left_out_reason=estimate.left_out_reason,
    )


def _differences(dialogues: Sequence[_Dialogue]) -> tuple[PairedDifferences, ...]:
    matches: dict[str, dict[str, _Dialogue]] = {}
    for dialogue in dialogues:
        if dialogue.match is None:
            continue
        match = matches.setdefault(dialogue.match, {})
        if dialogue.system in match:
            raise ValueError(
                f"match {dialogue.match} has two dialogues of {dialogue.system}, "
                f"{match[dialogue.system].name} and {dialogue.name}; it can have one of each system"
            )
        match[dialogue.system] = dialogue
    return tuple(
        _difference(system, minus, list(matches.values()))
        for system, minus in compared({dialogue.system for dialogue in dialogues})
    )


def compared(systems: Collection[str]) -> Iterator[tuple[str, str]]:
    """Every two systems: tuned before the others, else the later before the earlier.

    Their order is base, base_prompted, tuned, the remote ones by name, reference.
    """
    others = sorted(set(systems) - {"tuned"}, key=_place)
    if "tuned" in systems:
        yield from (("tuned", other) for other in others)
    yield from ((later, earlier) for earlier, later in combinations(others, 2))


def _difference(
    system: str, minus: str, matches: Sequence[Mapping[str, _Dialogue]]
) -> PairedDifferences:
    both = [
        (match[system], match[minus]) for match in matches if system in match and minus in match
    ]
    items = _estimates(
        [
            {
                item: one.values[item] - other.values[item]
                for item in ITEMS
                if item in one.values and item in other.values
            }
            for one, other in both
        ],
        [
            {
                item: one.undefined.get(item, frozenset()) | other.undefined.get(item, frozenset())
                for item in ITEMS
            }
            for one, other in both
        ],
        "match",
    )
    return PairedDifferences(system, minus, len(both), items)


def _agreement(
    source: Source, dialogues: Sequence[_Dialogue]
) -> tuple[dict[Item, ItemAgreement], dict[Item, str]]:
    """The agreement on each item, and why the other items have none."""
    if source == "adjudicated":
        reason = "an adjudicated dialogue has one coding: there is nobody to agree with"
        return {}, dict.fromkeys(ITEMS, reason)
    coded_twice = [dialogue for dialogue in dialogues if len(dialogue.forms) > 1]
    if not coded_twice:
        return {}, dict.fromkeys(ITEMS, "no dialogue was coded by two raters")
    rated_twice = [
        item
        for item in ITEMS
        if any(sum(item in form.values for form in one.forms) > 1 for one in coded_twice)
    ]
    found = agreement(
        Rating(item, dialogue.name, form.rater, form.values.get(item))
        for item in rated_twice
        for dialogue in coded_twice
        for form in dialogue.forms
    )
    reason = "in no dialogue is it defined for two raters"
    return (
        {item: found[item] for item in rated_twice},
        {item: reason for item in ITEMS if item not in found},
    )
