"""The readable part of a report, in Markdown: a section a group, then what was measured and how.

Results in, text out. Knows the names of the plots, not how they are drawn or where files lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from mi_arena import __version__
from mi_arena.miti.agreement import ItemAgreement
from mi_arena.miti.agreement_command import METHOD as AGREEMENT_METHOD
from mi_arena.miti.item_values import Item
from mi_arena.miti.items import CAUTIONS, items
from mi_arena.miti.ratings import Coefficient
from mi_arena.miti.summary import THRESHOLDS
from mi_arena.study.estimates import Estimate, bootstrap_method
from mi_arena.study.match_results import MatchResults
from mi_arena.study.miti_results import (
    BARS,
    Bar,
    GroupResults,
    MitiResults,
    PairedDifferences,
    ThresholdShares,
)
from mi_arena.study.statistics import Interval
from mi_arena.workspace.report_words import (
    BAR_NAMES,
    COEFFICIENTS,
    ITEM_KINDS,
    SOURCE_MEANINGS,
    SOURCE_TITLES,
    epoch_name,
    group_title,
    limit,
    name_with_unit,
)

UNDEFINED = "–"
_LEAD = (
    "n counts dialogues, in paired differences matches, in preferences verdicts; brackets hold "
    "95 % intervals. What was measured, how, and what to beware of stands at the end."
)
_MARKUP = re.compile(r"[\\`*\[\]<>&~#]|(?<![^\W_])_|_(?![^\W_])")
"""An underscore within a word is none."""
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Sign = Literal["", "+"]
"""Whether a positive number shows its sign."""
Figure = tuple[str, str]
"""A plot's file name, and what it shows."""


def report_markdown(
    results: MitiResults,
    matches: Sequence[MatchResults],
    facts: Sequence[str],
    figures: Sequence[Sequence[Figure]],
) -> str:
    """The whole text; ``figures`` has one entry for each group of ``results``.

    ``facts`` are lines of the caller's own, such as when and from what the report was made.
    """
    blocks = ["# MITI results", _LEAD]
    if not results.groups:
        blocks.append("There are no codings: no item of the MITI is measured.")
    for group, own in zip(results.groups, figures, strict=True):
        blocks += _section(group, own)
    blocks += _matches(matches)
    blocks += _how(results, facts)
    return "\n\n".join(blocks) + "\n"


class _Reasons:
    """Why values of a section are missing, numbered in the order in which they first come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, reason: str) -> str:
        """The reason's number, raised."""
        number = self._numbers.setdefault(reason, len(self._numbers) + 1)
        return str(number).translate(_RAISED)

    def undefined(self, reason: str | None) -> str:
        return UNDEFINED + self.mark(reason) if reason else UNDEFINED

    def listed(self) -> list[str]:
        if not self._numbers:
            return []
        lines = [f"{number}. {_one_line(reason)}" for reason, number in self._numbers.items()]
        return ["### Why values are missing", "\n".join(lines)]


def _how(results: MitiResults, facts: Sequence[str]) -> list[str]:
    made = [*map(_plain, facts), f"Made by mi_arena {__version__}, numpy {np.__version__}."]
    if not results.groups:
        return ["## What it was made from", _list(made)]
    codings: dict[str, int] = {}
    for group in results.groups:
        what = f"{SOURCE_TITLES[group.source]}: {SOURCE_MEANINGS[group.source]}"
        codings[what] = codings.get(what, 0) + group.codings
    measured = [
        "Instrument: MITI 4.2.1. " + items().citation,
        *(f"{what}; n = {number}." for what, number in codings.items()),
        "Kinds of coding, pairs and epochs are never counted together: each has its own section.",
        *made,
    ]
    methods = [
        "Items are averaged over the raters of a dialogue first; a value that is undefined or "
        "missing is left out of that average, and a dialogue without any value is left out and "
        "counted. Means and standard deviations are over dialogues.",
        f"Intervals of means: {bootstrap_method('dialogue')}; of paired differences: "
        f"{bootstrap_method('match')}. Intervals of shares: Wilson 95 %, over dialogues.",
        "All these intervals take dialogues as independent and raters as given: how other "
        "raters would have coded is not in them.",
        "Paired differences are taken within a match, two dialogues with the same client. They "
        "are not adjusted for their number: of twenty items one may miss 0 by chance.",
        "Counts are totals of a dialogue by the volley rules, not corrected for its length. "
        "For Persuade, Confront and Total MI-non-adherent, less is better.",
        "Agreement: " + AGREEMENT_METHOD,
    ]
    return [
        "## What was measured",
        _list(measured),
        "## How",
        _list(methods),
        "## Cautions",
        _list(items().cautions[caution].en for caution in CAUTIONS),
    ]


def _section(group: GroupResults, figures: Sequence[Figure]) -> list[str]:
    reasons = _Reasons()
    return [
        f"## {_plain(group_title(group))}",
        *([] if group.epoch is None else [f"Epoch: {_plain(group.epoch)}"]),
        f"Dialogues: {group.dialogues}; codings: {group.codings}; raters: {group.raters}.",
        _table(
            ["system", "dialogues", "codings", "raters"],
            [
                [_plain(one.system), str(one.dialogues), str(one.codings), str(one.raters)]
                for one in group.systems
            ],
        ),
        "### Items by system",
        "Mean (standard deviation) [95 % interval], n dialogues.",
        _by_system(group, reasons),
        "### Thresholds",
        "Share of dialogues [95 % interval], n reached of n dialogues. The thresholds are expert "
        "opinion, not norms.",
        _thresholds(group, reasons),
        "### Paired differences",
        *_differences(group.differences, reasons),
        "### Agreement of raters",
        *_agreement(group, reasons),
        *_pictures(figures),
        *reasons.listed(),
    ]


def _by_system(group: GroupResults, reasons: _Reasons) -> str:
    return _items_table(
        [_plain(one.system) for one in group.systems],
        [one.items for one in group.systems],
        reasons,
        sign="",
    )


def _items_table(
    headers: Sequence[str],
    columns: Sequence[Mapping[Item, Estimate]],
    reasons: _Reasons,
    *,
    sign: Sign,
) -> str:
    """A row for each item under the name of its kind, a column for each system or difference."""
    rows = []
    for kind, of_kind in ITEM_KINDS:
        rows.append([f"**{kind}**", *[""] * len(columns)])
        for item in of_kind:
            cells = [_estimate(column[item], reasons, sign) for column in columns]
            rows.append([name_with_unit(item), *cells])
    return _table(["item", *headers], rows)


def _estimate(one: Estimate, reasons: _Reasons, sign: Sign) -> str:
    if one.mean is None:
        return reasons.undefined(one.reason)
    spread = UNDEFINED if one.sd is None else _digits(one.sd)
    # Numbered in reading order: the interval's reason before that of what was left out.
    interval = _interval(one.low, one.high, one.reason, reasons, sign)
    left_out = _left_out(one.left_out, one.left_out_reason, reasons)
    return f"{_digits(one.mean, sign)} ({spread}) {interval}, {one.n}{left_out}"


def _left_out(number: int, reason: str | None, reasons: _Reasons) -> str:
    return f" ({number} left out{reasons.mark(reason)})" if reason else ""


def _interval(
    low: float | None, high: float | None, reason: str | None, reasons: _Reasons, sign: Sign = ""
) -> str:
    if low is None or high is None:
        return f"[{reasons.undefined(reason)}]"
    return f"[{_digits(low, sign)}, {_digits(high, sign)}]"


def _thresholds(group: GroupResults, reasons: _Reasons) -> str:
    rows = []
    for score in THRESHOLDS:
        for bar in BARS:
            name = f"{name_with_unit(score)}, {BAR_NAMES[bar]}: {limit(score, bar):g}"
            cells = [_share(one.thresholds[score], bar, reasons) for one in group.systems]
            rows.append([name, *cells])
    return _table(["score", *(_plain(one.system) for one in group.systems)], rows)


def _share(shares: ThresholdShares, bar: Bar, reasons: _Reasons) -> str:
    one = shares.at_least[bar]
    if one.value is None or one.low is None or one.high is None:
        return reasons.undefined(one.reason)
    left_out = _left_out(shares.left_out, shares.left_out_reason, reasons)
    interval = f"[{100 * one.low:.0f} %, {100 * one.high:.0f} %]"
    reached = round(one.value * one.n)
    return f"{100 * one.value:.0f} % {interval}, {reached} of {one.n}{left_out}"


def _differences(differences: Sequence[PairedDifferences], reasons: _Reasons) -> list[str]:
    """A table of tuned, one of the other systems, a sentence for those that share no match."""
    if not differences:
        return ["Only one system is coded: there is nothing to compare it with."]
    shown = [one for one in differences if one.matches]
    blocks = []
    if shown:
        blocks.append(
            "Mean difference (standard deviation) [95 % interval], n matches. Above 0: the "
            "system named first has more."
        )
    for of_table in (
        [one for one in shown if one.system == "tuned"],
        [one for one in shown if one.system != "tuned"],
    ):
        if of_table:
            headers = [_plain(f"{one.system} minus {one.minus}") for one in of_table]
            columns = [one.items for one in of_table]
            blocks.append(_items_table(headers, columns, reasons, sign="+"))
    apart = [f"{one.system} and {one.minus}" for one in differences if not one.matches]
    if apart:
        blocks.append(f"Without a match in which both are coded: {_plain(', '.join(apart))}.")
    return blocks


def _agreement(group: GroupResults, reasons: _Reasons) -> list[str]:
    if not group.agreement:
        why = "; ".join(dict.fromkeys(group.no_agreement.values()))
        return [f"None: {why}."]
    headers = ["item", "dialogues", "raters", "exact", "within 1", "band", *COEFFICIENTS.values()]
    rows = []
    for kind, of_kind in ITEM_KINDS:
        rows.append([f"**{kind}**", *[""] * (len(headers) - 1)])
        for item in of_kind:
            found = group.agreement.get(item)
            if found is None:
                nothing = reasons.undefined(group.no_agreement[item])
                rows.append([name_with_unit(item), nothing, *[UNDEFINED] * (len(headers) - 2)])
            else:
                rows.append([name_with_unit(item), *_item_agreement(found, reasons)])
    return [
        "Over the dialogues of all systems that two or more raters coded: value [95 % interval]. "
        "Exact and within 1 are shares of the pairs of ratings of one dialogue. Bands follow "
        "Cicchetti (1994): below .40 poor, below .60 fair, below .75 good, else excellent.",
        _table(headers, rows),
    ]


def _item_agreement(found: ItemAgreement, reasons: _Reasons) -> list[str]:
    if found.band_of is None:
        band = reasons.undefined("no coefficient that a band could be of is defined")
    else:
        band = f"{found.band} by {COEFFICIENTS[found.band_of]}"
    return [
        str(found.n_targets),
        str(found.n_raters),
        *(
            UNDEFINED if share is None else _digits(share)
            for share in (found.exact, found.within_one)
        ),
        band,
        *(_coefficient(getattr(found, key), reasons) for key in COEFFICIENTS),
    ]


def _coefficient(one: Coefficient, reasons: _Reasons) -> str:
    if one.value is None:
        return reasons.undefined(one.reason)
    return f"{_digits(one.value)} {_interval(one.ci_low, one.ci_high, one.reason, reasons)}"


def _matches(matches: Sequence[MatchResults]) -> list[str]:
    """A section of its own: verdicts are of matches, not of a kind of coding."""
    if not matches:
        return []
    reasons = _Reasons()
    headers = [
        "pair",
        "epoch",
        "first",
        "second",
        "matches",
        "verdicts",
        "raters",
        "first better",
        "second better",
        "tie",
        "both unacceptable",
        "share of the first",
    ]
    rows = [
        [
            *(_plain(one.pair), _plain(epoch_name(one)), _plain(one.system), _plain(one.other)),
            *(str(one.matches), str(one.verdicts), str(one.raters)),
            *(str(one.preferred_system), str(one.preferred_other)),
            *(str(one.ties), str(one.both_unacceptable), _preferred(one.share, reasons)),
        ]
        for one in matches
    ]
    return [
        "## Pairwise judgements of matches",
        "Verdicts of raters to whom a match was assigned, in numbers of verdicts. Share of the "
        "first [95 % interval], n: of the verdicts that found one of the two better; ties and both "
        f"unacceptable are not in it. Interval: {matches[0].share.method}; a rater's verdicts "
        "resemble each other, so whole raters are drawn.",
        _table(headers, rows),
        *reasons.listed(),
    ]


def _preferred(share: Interval, reasons: _Reasons) -> str:
    if share.value is None:
        return reasons.undefined(share.reason)
    if share.low is None or share.high is None:
        interval = f"[{reasons.undefined(share.reason)}]"
    else:
        interval = f"[{100 * share.low:.0f} %, {100 * share.high:.0f} %]"
    return f"{100 * share.value:.0f} % {interval}, {share.n}"


def _pictures(figures: Sequence[Figure]) -> list[str]:
    if not figures:
        return []
    return ["### Plots", *(f"![{_plain(shows)}]({name})" for name, shows in figures)]


def _digits(number: float, sign: Sign = "") -> str:
    """Two decimals, and never a negative zero."""
    return f"{number:{sign}z.2f}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Names and whatever else was given to us: on one line, nothing in it taken for markup.

    A pair may be called ``![](http://...)``: whoever looks at the report must not fetch it.
    """
    return _MARKUP.sub(r"\\\g<0>", _one_line(text))
