"""Single rounds of an evaluation, as ``eval.report`` leaves them: read, chosen and put in order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

NAME = "rounds.jsonl"
CODES = "codes"
"""Stands for MITI codes among the scores: by how many of them two replies differ."""
Row = Mapping[str, Any]
Order = Literal["most", "least", "apart", "as_given"]
ORDERS: tuple[Order, ...] = ("most", "least", "apart", "as_given")
"""The first system ahead, the second ahead, the largest difference either way, the file's order."""


def read_rows(folder: Path) -> Sequence[Row]:
    """The rounds of a run; empty where there are none, or they can't be read."""
    path = folder / NAME
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return ()


def pairs(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["pair"] for row in rows))


def comparisons(rows: Sequence[Row]) -> list[str]:
    """``arm-against``, the systems' order being the report's."""
    return list(dict.fromkeys(name for row in rows for name in row["differences"]))


def scores(rows: Sequence[Row]) -> list[str]:
    """What rounds can be put in order by."""
    found = dict.fromkeys(
        name for row in rows for one in row["differences"].values() for name in one
    )
    coded = any(len(row["codes"].keys() & row["replies"].keys()) > 1 for row in rows)
    return [name for name in found if name != "is_empty"] + [CODES] * coded


def difference(row: Row, comparison: str, score: str) -> float | None:
    """First system minus second; of codes, how many stand in one of the replies alone."""
    if score == CODES:
        first, second = (row["codes"].get(system) for system in comparison.split("-", 1))
        if first is None or second is None:
            return None
        one, other = Counter(first), Counter(second)
        return float(((one - other) + (other - one)).total())
    found = row["differences"].get(comparison, {}).get(score)
    return None if found is None else float(found)


def ordered(
    rows: Sequence[Row], pair: str, comparison: str, score: str, order: Order
) -> list[tuple[Row, float | None]]:
    """The rounds of a pair with their differences; those without one come last."""
    found = [(row, difference(row, comparison, score)) for row in rows if row["pair"] == pair]
    if order == "as_given":
        return found
    known = [(row, value) for row, value in found if value is not None]
    known.sort(key=lambda one: {"most": -one[1], "least": one[1], "apart": -abs(one[1])}[order])
    return [*known, *(one for one in found if one[1] is None)]


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Sequence[Row]:
    """``changed`` is when: a file that was written anew is read anew."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
