"""The tables of a release, and the events that each of them tells of. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from mi_arena.records.payloads import Kind

Table = Literal["judgements", "codings", "battles"]
TABLES: tuple[Table, ...] = get_args(Table)

STORED: dict[Table, tuple[Kind, ...]] = {
    "judgements": ("judgement", "match_judged"),
    "codings": ("coding_submitted", "practice_done"),
    "battles": ("battle_started",),
}
"""Each of these events is a row of its table, or counted as left out."""
