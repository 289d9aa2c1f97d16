"""How a judge's codings and human ones of the same dialogues agree. Codings in, numbers out.

Utterances are compared over segments, the longest stretches of a volley that neither coder cuts:
each lies inside one utterance of both. White space is left out of account. Intervals are 95 %
percentile bootstraps over dialogues (`mi_arena.miti.bootstrap`), as the utterances of one dialogue
resemble each other; those of ICC are by F. Knows no files and nobody's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mi_arena.miti.agreement import ItemAgreement, Rating, agreement
from mi_arena.miti.alignment import AlignedVolley, NotAligned, align
from mi_arena.miti.bootstrap import Matrix, Statistic, bootstrapped
from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.item_values import ITEMS, Item, item_values
from mi_arena.miti.items import CODES, Code
from mi_arena.miti.ratings import Coefficient
from mi_arena.miti.rules import volley_codes

LABELS: tuple[Code | None, ...] = (*CODES, None)
"""What an utterance can carry; the order of a confusion table."""
_ONE_DIALOGUE = "no interval: there is one dialogue"
_NO_UTTERANCES = "no dialogue has coded utterances on both sides"


class Pair(NamedTuple):
    """Both codings of one dialogue."""

    id: str
    human: Coding
    judge: Coding


class NotComparable(ValueError):
    """The codings of one dialogue are of different texts; ``id`` says of which."""

    def __init__(self, id_: str, message: str) -> None:
        super().__init__(message)
        self.id = id_


@dataclass(frozen=True)
class LabelAgreement:
    """One code (or none), over all units in which it can stand."""

    human: int
    """Units that carry it by people."""
    judge: int
    both: int
    precision: Coefficient
    """Of the judge's units, the share that people gave the same."""
    recall: Coefficient
    f1: Coefficient
    kappa: Coefficient
    """Cohen's, of carrying it or not."""


@dataclass(frozen=True)
class Calls:
    """How often a code counts over all dialogues, by the volley rules."""

    human: int
    judge: int
    ratio: Coefficient
    """judge / human: above 1 the judge over-calls, below 1 it under-calls."""


@dataclass(frozen=True)
class ItemComparison:
    """One global, count or summary score, over dialogues."""

    human_mean: float | None
    judge_mean: float | None
    """Both over the dialogues in which both have a value; ``None`` where there is none."""
    agreement: ItemAgreement | None
    """``None`` where the item has no value anywhere."""


@dataclass(frozen=True)
class Comparison:
    """Everything about the codings of some dialogues by one judge and by people."""

    n_dialogues: int
    n_with_utterances: int
    """Dialogues with coded utterances on both sides; the others have totals alone."""
    n_volleys: int
    n_human_utterances: int
    n_judge_utterances: int
    n_segments: int
    n_cuts_human: int
    """Places inside of volleys where people begin an utterance."""
    n_cuts_judge: int
    n_cuts_both: int
    same: float | None
    """Share of segments that carry the same code, or none, on both sides."""
    kappa: Coefficient
    """Cohen's over all codes and none, of segments."""
    labels: dict[str, LabelAgreement]
    """By segment; ``none`` for what has no code."""
    volleys: dict[Code, LabelAgreement]
    """By volley: whether it holds the code, however it was cut."""
    confusion: list[list[int]]
    """Segments, human codes (rows) by the judge's (columns), in the order of ``LABELS``."""
    calls: dict[Code, Calls]
    items: dict[Item, ItemComparison]


@dataclass(frozen=True)
class _Tables:
    """One entry a dialogue, so that dialogues can be drawn."""

    confusion: NDArray[np.float64]
    """(dialogues, labels, labels)"""
    volleys: NDArray[np.float64]
    """(dialogues, codes, 4): volleys with the code by both, by the judge alone, by people alone,
    by neither."""
    cuts: NDArray[np.int64]
    """(dialogues, 3): by both, by people, by the judge."""


def compare(pairs: Sequence[Pair]) -> Comparison:
    """Raises ``NotComparable`` where texts differ by more than white space."""
    aligned = [_aligned(pair) for pair in pairs if _has_utterances(pair)]
    tables = _tables(aligned)
    confusion = tables.confusion.sum(axis=0)
    segments = int(confusion.sum())
    with_words = sum(bool(volley.segments) for dialogue in aligned for volley in dialogue)
    both, human, judge = (int(one) for one in tables.cuts.sum(axis=0))
    return Comparison(
        n_dialogues=len(pairs),
        n_with_utterances=len(aligned),
        n_volleys=sum(len(dialogue) for dialogue in aligned),
        n_human_utterances=with_words + human,
        n_judge_utterances=with_words + judge,
        n_segments=segments,
        n_cuts_human=human,
        n_cuts_judge=judge,
        n_cuts_both=both,
        same=float(np.trace(confusion)) / segments if segments else None,
        kappa=_over_dialogues(_kappa_of_all(tables.confusion), len(aligned), _ONE_LABEL),
        labels={
            label or "none": _label(_of_label(tables.confusion, place))
            for place, label in enumerate(LABELS)
        },
        volleys={code: _label(tables.volleys[:, place]) for place, code in enumerate(CODES)},
        confusion=confusion.astype(int).tolist(),
        calls=_calls(pairs),
        items=_items(pairs),
    )


# ---- utterances side by side


def _has_utterances(pair: Pair) -> bool:
    return pair.human.volleys is not None and pair.judge.volleys is not None


def _aligned(pair: Pair) -> tuple[AlignedVolley, ...]:
    try:
        return align((_bare(pair.human), _bare(pair.judge)))
    except NotAligned as error:
        told = str(error).replace("coding 1", "the human coding").replace("coding 2", "the judge's")
        raise NotComparable(pair.id, told) from None


def _bare(coding: Coding) -> Coding:
    """The coding without white space: coders may differ in it."""
    return Coding(
        volleys=tuple(
            Volley(
                utterances=tuple(
                    Utterance(text="".join(one.text.split()), code=one.code)
                    for one in volley.utterances
                )
            )
            for volley in coding.volleys or ()
        )
    )


def _tables(aligned: Sequence[Sequence[AlignedVolley]]) -> _Tables:
    number = {label: place for place, label in enumerate(LABELS)}
    confusion = np.zeros((len(aligned), len(LABELS), len(LABELS)))
    volleys = np.zeros((len(aligned), len(CODES), 4))
    cuts = np.zeros((len(aligned), 3), dtype=np.int64)
    for row, dialogue in enumerate(aligned):
        for volley in dialogue:
            for segment in volley.segments:
                human, judge = segment.codes
                confusion[row, number[human], number[judge]] += 1
            for segment in volley.segments[1:]:
                by_human, by_judge = segment.cut
                cuts[row] += (by_human and by_judge, by_human, by_judge)
            held = [volley_codes(one.codes[side] for one in volley.segments) for side in (0, 1)]
            for place, code in enumerate(CODES):
                by_human, by_judge = (code in codes for codes in held)
                volleys[row, place, _cell(by_human, by_judge)] += 1
    return _Tables(confusion, volleys, cuts)


def _cell(by_human: bool, by_judge: bool) -> int:
    """Both, the judge alone, people alone, neither."""
    if by_human and by_judge:
        return 0
    return 1 if by_judge else 2 if by_human else 3


# ---- codes

_NEITHER = "neither people nor the judge used it"
_JUDGE_NEVER = "the judge never used it"
_PEOPLE_NEVER = "people never used it"
_ALWAYS = "it is the same everywhere: agreement beyond chance is undefined"
_ONE_LABEL = "every segment carries the same code: agreement beyond chance is undefined"


def _of_label(confusion: Matrix, place: int) -> Matrix:
    """(dialogues, 4) for one label: both, judge alone, people alone, neither."""
    both = confusion[:, place, place]
    human, judge = confusion[:, place, :].sum(axis=1), confusion[:, :, place].sum(axis=1)
    total = confusion.sum(axis=(1, 2))
    return np.stack([both, judge - both, human - both, total - human - judge + both], axis=1)


def _label(table: Matrix) -> LabelAgreement:
    """``table``: (dialogues, 4)."""
    both, judge_alone, human_alone, _ = (int(one) for one in table.sum(axis=0))
    n, used = len(table), both + judge_alone + human_alone
    measures: list[tuple[Statistic, str]] = [
        (lambda w: _ratio(w[:, 0], w[:, 0] + w[:, 1]), _JUDGE_NEVER if used else _NEITHER),
        (lambda w: _ratio(w[:, 0], w[:, 0] + w[:, 2]), _PEOPLE_NEVER if used else _NEITHER),
        (lambda w: _ratio(2 * w[:, 0], 2 * w[:, 0] + w[:, 1] + w[:, 2]), _NEITHER),
        (_kappa_of_one, _ALWAYS if used else _NEITHER),
    ]
    precision, recall, f1, kappa = (
        _over_dialogues(_of_sums(table, of), n, reason) for of, reason in measures
    )
    return LabelAgreement(
        human=both + human_alone,
        judge=both + judge_alone,
        both=both,
        precision=precision,
        recall=recall,
        f1=f1,
        kappa=kappa,
    )


def _kappa_of_one(cells: Matrix) -> Matrix:
    """Cohen's kappa of two-by-two tables, (draws, 4)."""
    both, judge, human, neither = cells.T
    above = 2 * (both * neither - judge * human)
    below = (both + judge) * (judge + neither) + (both + human) * (human + neither)
    return _ratio(above, below)


def _kappa_of_all(confusion: Matrix) -> Statistic:
    """Cohen's kappa (1960) of the summed tables, by how often each dialogue is drawn."""
    flat = confusion.reshape(-1, len(LABELS) ** 2)

    def statistic(weights: Matrix) -> Matrix:
        tables = (weights @ flat).reshape(-1, len(LABELS), len(LABELS))
        n = tables.sum(axis=(1, 2))
        same = np.trace(tables, axis1=1, axis2=2)
        chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1)
        return _ratio(n * same - chance, n**2 - chance)

    return statistic


def _of_sums(table: Matrix, statistic: Statistic) -> Statistic:
    """The statistic of ``table``'s sums over dialogues, by how often each dialogue is drawn."""

    def of_weights(weights: Matrix) -> Matrix:
        return statistic(weights @ table)

    return of_weights


def _over_dialogues(statistic: Statistic, dialogues: int, undefined: str) -> Coefficient:
    if not dialogues:
        return Coefficient.undefined(0, _NO_UTTERANCES)
    found = bootstrapped(statistic, np.ones(dialogues, dtype=np.int64), undefined)
    if dialogues == 1 and found.value is not None:
        return replace(found, ci_low=None, ci_high=None, reason=_ONE_DIALOGUE)
    return found


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    """NaN where ``below`` is 0."""
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


# ---- forms


def _calls(pairs: Sequence[Pair]) -> dict[Code, Calls]:
    values = [(item_values(pair.human).values, item_values(pair.judge).values) for pair in pairs]
    calls: dict[Code, Calls] = {}
    for code in CODES:
        counted = [
            (one[code], other[code]) for one, other in values if code in one and code in other
        ]
        table = np.array(counted, dtype=np.float64).reshape(-1, 2)
        human, judge = (int(one) for one in table.sum(axis=0))
        reason = _PEOPLE_NEVER if judge else _NEITHER
        ratio = _over_dialogues(
            _of_sums(table, lambda sums: _ratio(sums[:, 1], sums[:, 0])), len(table), reason
        )
        calls[code] = Calls(human, judge, ratio)
    return calls


def _items(pairs: Sequence[Pair]) -> dict[Item, ItemComparison]:
    values = {
        pair.id: (item_values(pair.human).values, item_values(pair.judge).values) for pair in pairs
    }
    found = agreement(
        Rating(item, id_, who, given.get(item))
        for id_, both in values.items()
        for who, given in zip(("human", "judge"), both, strict=True)
        for item in ITEMS
    )
    return {
        item: ItemComparison(*_means(item, list(values.values())), _known(found[item]))
        for item in ITEMS
    }


def _known(found: ItemAgreement) -> ItemAgreement | None:
    return found if found.n_targets else None


def _means(
    item: Item, values: Sequence[tuple[Mapping[Item, float], Mapping[Item, float]]]
) -> tuple[float | None, float | None]:
    both = [(one[item], other[item]) for one, other in values if item in one and item in other]
    if not both:
        return None, None
    human, judge = np.array(both, dtype=np.float64).mean(axis=0)
    return float(human), float(judge)
