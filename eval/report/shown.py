"""How numbers are shown, and how results become plain values and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

UNDEFINED = "–"
Cell = str | int | float | None


class Reasons:
    """Why numbers of a table are missing, in the order in which they first come."""

    def __init__(self) -> None:
        self._found: dict[str, int] = {}

    def mark(self, reason: str | None) -> str:
        """The number under which the reason stands below the table, with a blank before it."""
        return f" ({self._found.setdefault(reason, len(self._found) + 1)})" if reason else ""

    def listed(self) -> list[str]:
        return [f"({number}) {reason}" for reason, number in self._found.items()]


def interval(
    value: float | None,
    low: float | None,
    high: float | None,
    reason: str | None,
    reasons: Reasons,
    form: str = ".2f",
) -> str:
    """``1.20 [0.80, 1.50]``; what is missing is marked with its reason."""
    mark = reasons.mark(reason)
    if value is None:
        return UNDEFINED + mark
    if low is None or high is None:
        return f"{value:{form}}{mark}"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]{mark}"


def plain(value: Any) -> Any:
    """Results as JSON values: data classes and named tuples as objects, NaN as ``None``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(one) for one in value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Unrounded; an empty cell is undefined."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
