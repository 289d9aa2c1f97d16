"""The tables of a report as CSV: tidy, unrounded, each row with its method or its reason.

Results in, text out. An empty cell is undefined; its row's ``reason`` says why.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from mi_arena.miti.agreement import ItemAgreement
from mi_arena.miti.item_values import ITEMS, Item
from mi_arena.study.estimates import Estimate
from mi_arena.study.match_results import MatchResults
from mi_arena.study.miti_results import BARS, GroupResults, MitiResults
from mi_arena.workspace.report_words import COEFFICIENTS, limit

Cell = str | float | None

_GROUP = ("source", "pair", "epoch")
_ESTIMATE = ("mean", "sd", "low", "high", "n", "left_out", "left_out_reason", "method", "reason")
_HEADERS: dict[str, tuple[str, ...]] = {
    "miti_by_system.csv": (
        *_GROUP,
        "system",
        "dialogues",
        "codings",
        "raters",
        "item",
        *_ESTIMATE,
    ),
    "miti_differences.csv": (*_GROUP, "system", "minus", "matches", "item", *_ESTIMATE),
    "miti_agreement.csv": (
        *_GROUP,
        "item",
        "level",
        "dialogues",
        "raters",
        "coefficient",
        "value",
        "low",
        "high",
        "n_targets",
        "band",
        "reason",
    ),
    "miti_thresholds.csv": (
        *_GROUP,
        "system",
        "score",
        "at_least",
        "threshold",
        "share",
        "low",
        "high",
        "n",
        "left_out",
        "left_out_reason",
        "method",
        "reason",
    ),
    "miti_matches.csv": (
        "pair",
        "epoch",
        "system",
        "other",
        "matches",
        "verdicts",
        "raters",
        "preferred_system",
        "preferred_other",
        "ties",
        "both_unacceptable",
        "share",
        "low",
        "high",
        "n",
        "method",
        "reason",
    ),
}
_NO_INTERVAL = "a share of the pairs of ratings of one dialogue: no interval is computed"
TABLE_NAMES: tuple[str, ...] = tuple(_HEADERS)


def csv_tables(results: MitiResults, matches: Sequence[MatchResults]) -> dict[str, str]:
    """The text of each CSV file by its name; without groups or matches a header alone."""
    rows: dict[str, list[Sequence[Cell]]] = {name: [] for name in TABLE_NAMES}
    for group in results.groups:
        key = (group.source, group.pair, group.epoch)
        for name, found in (
            ("miti_by_system.csv", _by_system(group)),
            ("miti_differences.csv", _differences(group)),
            ("miti_agreement.csv", _agreement(group)),
            ("miti_thresholds.csv", _thresholds(group)),
        ):
            rows[name] += [(*key, *row) for row in found]
    rows["miti_matches.csv"] += [_match(one) for one in matches]
    return {name: _csv(_HEADERS[name], rows[name]) for name in TABLE_NAMES}


def _csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def _by_system(group: GroupResults) -> Iterator[Sequence[Cell]]:
    for one in group.systems:
        for item, estimate in one.items.items():
            counts = (one.dialogues, one.codings, one.raters)
            yield (one.system, *counts, item, *_estimate(estimate))


def _differences(group: GroupResults) -> Iterator[Sequence[Cell]]:
    for one in group.differences:
        for item, estimate in one.items.items():
            yield (one.system, one.minus, one.matches, item, *_estimate(estimate))


def _estimate(one: Estimate) -> Sequence[Cell]:
    numbers = (one.mean, one.sd, one.low, one.high, one.n, one.left_out)
    return (*numbers, one.left_out_reason, one.method, one.reason)


def _match(one: MatchResults) -> Sequence[Cell]:
    preferred = (one.preferred_system, one.preferred_other, one.ties, one.both_unacceptable)
    share = (one.share.value, one.share.low, one.share.high, one.share.n)
    return (
        *(one.pair, one.epoch, one.system, one.other),
        *(one.matches, one.verdicts, one.raters),
        *(*preferred, *share, one.share.method, one.share.reason),
    )


def _thresholds(group: GroupResults) -> Iterator[Sequence[Cell]]:
    for one in group.systems:
        for score, shares in one.thresholds.items():
            for bar in BARS:
                share = shares.at_least[bar]
                numbers = (share.value, share.low, share.high, share.n, shares.left_out)
                words = (shares.left_out_reason, share.method, share.reason)
                yield (one.system, score, bar, limit(score, bar), *numbers, *words)


def _agreement(group: GroupResults) -> Iterator[Sequence[Cell]]:
    """Every item and coefficient has a row, defined or not."""
    for item in ITEMS:
        found = group.agreement.get(item)
        if found is None:
            for name in ("exact", "within_one", *COEFFICIENTS):
                yield (item, *[None] * 3, name, *[None] * 5, group.no_agreement[item])
        else:
            yield from _coefficients(item, found)


def _coefficients(item: Item, found: ItemAgreement) -> Iterator[Sequence[Cell]]:
    start = (item, found.level, found.n_targets, found.n_raters)
    for name, share in (("exact", found.exact), ("within_one", found.within_one)):
        yield (*start, name, share, *[None] * 4, _NO_INTERVAL)
    for key in COEFFICIENTS:
        one = getattr(found, key)
        band = found.band if key == found.band_of else None
        numbers = (one.value, one.ci_low, one.ci_high, one.n_targets)
        yield (*start, key, *numbers, band, one.reason)
