"""``python -m mi_arena.miti agreement``: reads ratings from a CSV file, tells their agreement.

Knows how a file and a table look; what the numbers mean stands in `mi_arena.miti.agreement`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from mi_arena.miti.agreement import (
    BadRatings,
    CoefficientName,
    ItemAgreement,
    Rating,
    agreement,
    cicchetti_band,
    known_item,
    near_known,
)
from mi_arena.miti.alpha import Level
from mi_arena.miti.bootstrap import DRAWS, SEED
from mi_arena.miti.ratings import Coefficient

COLUMNS = ("item", "target", "rater", "value")
NAMES: dict[CoefficientName, str] = {
    "icc_a1": "ICC(A,1)",
    "icc_c1": "ICC(C,1)",
    "icc_11": "ICC(1,1)",
    "alpha": "Krippendorff's alpha",
    "weighted_kappa": "weighted kappa",
    "kappa": "kappa",
}
METHOD = (
    "ICC: single ratings, 95 % intervals by F (McGraw & Wong 1996). Alpha and kappas (weighted: "
    "quadratic, mean over rater pairs; kappa: Cohen for two raters, Fleiss for more): 95 % "
    f"percentile bootstrap over targets, {DRAWS} draws, seed {SEED}. ICC(A,1), ICC(C,1) and kappa "
    "use targets that all raters rated, the others those with two ratings or more. Bands: "
    "Cicchetti 1994, of the coefficient named. An interval without width means that no "
    "disagreement was seen in these targets, not that there is none."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments to its parser."""
    parser.description = (
        "Agreement of raters on each item of a CSV file with the columns item, target, rater and "
        "value, one row a rating. An empty value is a missing rating. " + METHOD + " Exit codes: "
        "0 done, 2 bad input."
    )
    parser.add_argument("ratings", type=Path, metavar="CODINGS.csv", help="the ratings, in UTF-8")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument(
        "--level",
        type=_item_and_level,
        action="append",
        default=[],
        metavar="ITEM=LEVEL",
        help="nominal, ordinal or interval, for an item that is not of MITI or should be read "
        "otherwise (may be repeated; unknown items are interval)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the agreement; returns the exit code."""
    try:
        levels = _levels(options.level)
        ratings = list(read_ratings(options.ratings))
        found = agreement(ratings, levels)
        if not found:
            raise BadRatings("there is no rating below the header")
    except BadRatings as error:
        print(f"error: {options.ratings}: {error}", file=sys.stderr)
        return 2
    for slip in _likely_slips(ratings, levels):
        print(f"warning: {options.ratings}: {slip}", file=sys.stderr)
    if options.json:
        items = {item: asdict(report) for item, report in found.items()}
        print(json.dumps({"items": items}, ensure_ascii=False, indent=2, allow_nan=False))
        return 0
    for item, report in found.items():
        print(_table(item, report), end="\n\n")
    print(METHOD)
    return 0


def read_ratings(path: Path) -> Iterator[Rating]:
    """The ratings of a CSV file, in its order; raises :class:`BadRatings` with the line.

    Known items go by their own names, however the file spells them.
    """
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(lines, [])]
            place = _places(header)
            for cells in lines:
                number = lines.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
                    raise BadRatings(
                        f"line {number} has {len(cells)} cells, the header {len(header)}; "
                        "quote a cell that holds a comma"
                    )
                item, target, rater, value = (cells[place[name]].strip() for name in COLUMNS)
                for name, cell in (("item", item), ("target", target), ("rater", rater)):
                    if not cell:
                        raise BadRatings(f"line {number} has no {name}; fill it in")
                yield Rating(known_item(item), target, rater, value, f"line {number}")
    except UnicodeDecodeError as error:
        raise BadRatings(f"is not UTF-8 (byte {error.start}); save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise BadRatings(f"is not CSV after line {number}: {error}") from None
    except OSError as error:
        raise BadRatings(f"cannot be read: {error.strerror}") from None


def _places(header: list[str]) -> dict[str, int]:
    for name in COLUMNS:
        if header.count(name) != 1:
            found = "has no" if name not in header else "has more than one"
            raise BadRatings(
                f"the header {found} column {name}; it needs {','.join(COLUMNS)}, separated by "
                f"commas, and is: {','.join(header) or 'empty'}"
            )
    return {name: header.index(name) for name in COLUMNS}


def _item_and_level(text: str) -> tuple[str, Level]:
    item, _, level = text.rpartition("=")
    for known in get_args(Level):
        if item.strip() and level.strip() == known:
            return known_item(item.strip()), known
    raise argparse.ArgumentTypeError(
        f"{text!r} is not ITEM=LEVEL with nominal, ordinal or interval for LEVEL"
    )


def _levels(given: list[tuple[str, Level]]) -> dict[str, Level]:
    levels = dict(given)
    for item, level in given:
        if levels[item] != level:
            raise BadRatings(f"--level gives {item} two levels, {level} and {levels[item]}")
    return levels


def _likely_slips(ratings: Iterable[Rating], levels: Mapping[str, Level]) -> Iterator[str]:
    """A warning for each unknown item that is named much like a known one, where it first comes.

    Who gives such an item a level has named it on purpose.
    """
    first: dict[str, str] = {}
    for rating in ratings:
        first.setdefault(rating.item, rating.where)
    for item, where in first.items():
        meant = near_known(item)
        if meant and item not in levels:
            yield f"{where}: {item} is taken as an unknown interval item; did you mean {meant}?"


def _table(item: str, report: ItemAgreement) -> str:
    exact = (
        "undefined: no target has two ratings" if report.exact is None else _digits(report.exact)
    )
    within = "" if report.within_one is None else f", within one {_digits(report.within_one)}"
    targets, raters = _counted(report.n_targets, "target"), _counted(report.n_raters, "rater")
    lines = [
        f"{item} ({report.level}; {targets}, {raters}): {_band(report)}",
        f"  agreement of rating pairs: exact {exact}{within}",
        f"  {'coefficient':<22}{'value':>7}  {'95 % interval':<18}{'targets':>7}",
        *(_line(label, getattr(report, key)) for key, label in NAMES.items()),
    ]
    return "\n".join(lines)


def _band(report: ItemAgreement) -> str:
    if report.band_of is None:
        return "no band, as no coefficient is defined"
    found: Coefficient = getattr(report, report.band_of)
    told = f"{report.band} by {NAMES[report.band_of]}"
    if found.ci_low is None or found.ci_high is None:
        return told
    low, high = cicchetti_band(found.ci_low), cicchetti_band(found.ci_high)
    # A band alone would hide that few targets leave nearly any agreement possible.
    return told if low == high == report.band else f"{told} (interval spans {low} to {high})"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _line(label: str, found: Coefficient) -> str:
    if found.value is None:
        return f"  {label:<22}{'-':>7}  {found.reason}"
    interval = (
        f"[{_digits(found.ci_low)}, {_digits(found.ci_high)}]"
        if found.ci_low is not None
        else "none"
    )
    note = f"  {found.reason}" if found.reason else ""
    return f"  {label:<22}{_digits(found.value):>7}  {interval:<18}{found.n_targets:>7}{note}"


def _digits(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"
