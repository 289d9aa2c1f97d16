"""What one coding gives each item of the form, and why it gives others nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mi_arena.miti.coding import Coding
from mi_arena.miti.items import CODES, GLOBALS, SCORES, Code, GlobalKey, Score
from mi_arena.miti.rules import valid_global
from mi_arena.miti.summary import summarize

Item = GlobalKey | Code | Score
ITEMS: tuple[Item, ...] = (*GLOBALS, *CODES, *SCORES)


@dataclass(frozen=True)
class ItemValues:
    """Each item is either in ``values`` or in ``undefined``, with the reason in English."""

    values: Mapping[Item, float]
    undefined: Mapping[Item, str]


def item_values(coding: Coding) -> ItemValues:
    """Globals as rated, counts by the volley rules, and summary scores."""
    summary = summarize(coding)
    given: dict[Item, float | None] = {
        **{key: coding.globals.get(key) for key in GLOBALS},
        **{code: summary.counts[code] for code in CODES},
        "technical": summary.technical,
        "relational": summary.relational,
        "percent_cr": summary.percent_cr,
        "r_to_q": summary.r_to_q,
        "mia": summary.mia,
        "mina": summary.mina,
    }
    undefined: dict[Item, str] = {}
    for key in GLOBALS:
        value = given[key]
        if value is None:
            undefined[key] = "not rated"
        elif not valid_global(value):
            undefined[key] = "rated with something else than 1 to 5"
    undefined |= {item: summary.undefined[item] for item in ITEMS if item in summary.undefined}
    values = {
        item: value for item, value in given.items() if value is not None and item not in undefined
    }
    return ItemValues(values, undefined)
