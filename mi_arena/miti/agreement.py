"""How far raters agree on each item: every coefficient that fits its level, and a band.

Ratings in, one report per item out. Knows nothing of files or of how a report is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mi_arena.miti.alpha import Level, alpha
from mi_arena.miti.icc import icc_11, icc_a1, icc_c1
from mi_arena.miti.items import CODES, GLOBALS, SCORES
from mi_arena.miti.kappa import agreement_within, kappa, weighted_kappa
from mi_arena.miti.ratings import Coefficient
from mi_arena.miti.rules import MOST_COUNT, valid_count, valid_global

Band = Literal["poor", "fair", "good", "excellent"]
CoefficientName = Literal["icc_a1", "icc_c1", "icc_11", "alpha", "weighted_kappa", "kappa"]

KNOWN_LEVELS: dict[str, Level] = {
    **dict.fromkeys(GLOBALS, "ordinal"),
    **dict.fromkeys((*CODES, *SCORES), "interval"),
    **dict.fromkeys(("code", "utterance_code", "utterance"), "nominal"),
}
"""Of globals, counts, summary scores and codes of utterances. Any other item is interval."""


class _Range(NamedTuple):
    """Which numbers an item can have."""

    holds: Callable[[float], bool]
    words: str
    """Goes on from "the value is not"."""


_RANGES: dict[str, _Range] = {
    **dict.fromkeys(GLOBALS, _Range(valid_global, "a whole number from 1 to 5")),
    **dict.fromkeys(CODES, _Range(valid_count, f"a whole number from 0 to {MOST_COUNT}")),
    **dict.fromkeys(
        ("technical", "relational"), _Range(lambda value: 1 <= value <= 5, "between 1 and 5")
    ),
    "percent_cr": _Range(lambda value: 0 <= value <= 100, "between 0 and 100"),
    **dict.fromkeys(("r_to_q", "mia", "mina"), _Range(lambda value: value >= 0, "0 or more")),
}
"""Scores need not be what one form gives: they may be means over raters or sessions."""
_SEPARATORS = str.maketrans("", "", " _-")
_NEAR = 0.8
"""The ratio of `difflib` from which an unknown name looks like a slip of a known one."""


class Rating(NamedTuple):
    """What one rater gave one target on one item."""

    item: str
    target: str
    rater: str
    value: str | float | None
    """``None``, NaN or blank where the rating is missing. Numbers may be text."""
    where: str = ""
    """Where it stands, for messages: ``line 7``."""


class BadRatings(ValueError):
    """The ratings cannot be used; one line that says which, why, and the mend."""


@dataclass(frozen=True)
class ItemAgreement:
    """The agreement of raters on one item."""

    level: Level
    n_targets: int
    """Targets with at least one rating; each coefficient tells its own."""
    n_raters: int
    exact: float | None
    within_one: float | None
    """Shares in [0, 1] of all pairs of ratings of the same target: equal, at most 1 apart."""
    icc_a1: Coefficient
    icc_c1: Coefficient
    icc_11: Coefficient
    alpha: Coefficient
    weighted_kappa: Coefficient
    kappa: Coefficient
    band: Band | None
    band_of: CoefficientName | None
    """The coefficient that the band is of: ICC(A,1), for a nominal item kappa, and alpha where
    these are undefined."""


def agreement(
    rows: Iterable[Rating], levels: Mapping[str, Level] | None = None
) -> dict[str, ItemAgreement]:
    """The agreement on each item, in the order in which the items first come.

    Names are taken as they stand: see :func:`known_item`. ``levels`` goes before
    :data:`KNOWN_LEVELS`. Raises :class:`BadRatings` for a rating given twice, for a value that is
    no number where the item needs one, for a number that the item of MITI cannot have, whatever
    its level, and for a level of an item that nobody rated.
    """
    given = dict(levels or {})
    cells: dict[str, dict[tuple[str, str], float | str]] = {}
    first: dict[tuple[str, str, str], str] = {}
    for row in rows:
        key = (row.item, row.target, row.rater)
        if key in first:
            before = f" (the first is {first[key]})" if first[key] else ""
            raise BadRatings(
                f"{_place(row)}: a second rating by the same rater{before}; keep one of the two"
            )
        first[key] = row.where
        item = cells.setdefault(row.item, {})
        value = _value(row, _level_of(row.item, given))
        if value is not None:
            item[row.target, row.rater] = value
    unknown = [name for name in given if name not in cells]
    if unknown:
        raise BadRatings(
            f"a level is given for {unknown[0]}, which nobody rated; the items are: "
            f"{', '.join(cells) or 'none'}"
        )
    return {item: _report(cells[item], _level_of(item, given)) for item in cells}


def known_item(name: str) -> str:
    """The known item of this name in whatever case, and with or without blanks, ``_`` and ``-``.

    A name that is of none stays as it is.
    """
    return _SPELLINGS.get(_bare(name), name)


def near_known(name: str) -> str | None:
    """The known item that an unknown name looks like a slip of, if any."""
    if known_item(name) in KNOWN_LEVELS:
        return None
    near = get_close_matches(_bare(name), _SPELLINGS, n=1, cutoff=_NEAR)
    return _SPELLINGS[near[0]] if near else None


def _bare(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


_SPELLINGS = {_bare(item): item for item in KNOWN_LEVELS}


def cicchetti_band(value: float) -> Band:
    """Cicchetti DV (1994), Psychological Assessment 6(4):284-290: .40, .60 and .75."""
    if value < 0.40:
        return "poor"
    if value < 0.60:
        return "fair"
    return "good" if value < 0.75 else "excellent"


def _report(cells: Mapping[tuple[str, str], float | str], level: Level) -> ItemAgreement:
    ratings = _matrix(cells)
    if level == "nominal":
        within_one = None
        reason = "a nominal item has categories without order: see kappa and alpha"
        unfit = Coefficient.undefined(0, reason)
        a1 = c1 = one = weighted = unfit
        plain = kappa(ratings)
    else:
        within_one = agreement_within(ratings, 1)
        a1, c1, one = icc_a1(ratings), icc_c1(ratings), icc_11(ratings)
        weighted = weighted_kappa(ratings)
        reason = f"kappa ignores the order that an item of level {level} has: see weighted_kappa"
        plain = Coefficient.undefined(0, reason)
    by_alpha = alpha(ratings, level)
    choices: list[tuple[CoefficientName, Coefficient]] = [
        ("kappa", plain) if level == "nominal" else ("icc_a1", a1),
        ("alpha", by_alpha),
    ]
    band, band_of = None, None
    for name, coefficient in choices:
        if coefficient.value is not None:
            band, band_of = cicchetti_band(coefficient.value), name
            break
    return ItemAgreement(
        level=level,
        n_targets=ratings.shape[0],
        n_raters=ratings.shape[1],
        exact=agreement_within(ratings, 0),
        within_one=within_one,
        icc_a1=a1,
        icc_c1=c1,
        icc_11=one,
        alpha=by_alpha,
        weighted_kappa=weighted,
        kappa=plain,
        band=band,
        band_of=band_of,
    )


def _matrix(cells: Mapping[tuple[str, str], float | str]) -> NDArray[np.float64]:
    """(targets, raters), NaN for missing; categories as numbers.

    Targets stand by name and raters by what they gave, not by name or as they came: then neither
    the order of the rows nor the names of the raters changes which targets a bootstrap draws.
    """
    targets = {name: number for number, name in enumerate(sorted({t for t, _ in cells}))}
    raters = {name: number for number, name in enumerate(sorted({r for _, r in cells}))}
    # A nominal item may hold 1 beside "other".
    values = sorted(set(cells.values()), key=lambda value: (isinstance(value, str), value))
    number_of = {value: number for number, value in enumerate(values)}
    nominal = any(isinstance(value, str) for value in values)
    matrix = np.full((len(targets), len(raters)), np.nan)
    for (target, rater), value in cells.items():
        matrix[targets[target], raters[rater]] = number_of[value] if nominal else value
    if not matrix.size:
        return matrix
    return matrix[:, np.lexsort(np.nan_to_num(matrix, nan=np.inf))]


def _level_of(item: str, given: Mapping[str, Level]) -> Level:
    return given.get(item) or KNOWN_LEVELS.get(item, "interval")


def _value(row: Rating, level: Level) -> float | str | None:
    """A number, for a nominal item else a category; ``None`` where the rating is missing."""
    value = row.value.strip() if isinstance(row.value, str) else row.value
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        possible = _RANGES.get(row.item)
        if possible and not possible.holds(number):
            raise BadRatings(
                f"{_place(row)}: the value {str(value)!r} is not {possible.words}; correct it, "
                "leave it empty if the rating is missing, or rename the item if it is not MITI's"
            )
        # 1 and 1.0 are one category.
        return number
    if level == "nominal":
        return str(value)
    raise BadRatings(
        f"{_place(row)}: the value {str(value)!r} is not a number; write one, leave it empty if "
        f"the rating is missing, or give --level {row.item}=nominal"
    )


def _place(row: Rating) -> str:
    """Where and whose a rating is."""
    where = f"{row.where}, " if row.where else ""
    return f"{where}item {row.item}, target {row.target}, rater {row.rater}"
