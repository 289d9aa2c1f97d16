"""Which help to show when there are signs of danger; the lines stand in ``help.yaml``.

It knows places and kinds of danger, not how they were noticed. Each line comes in Chinese and in
English: the place decides which numbers, the reader's language which wording.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from mi_arena.packaged_yaml import packaged_yaml
from mi_arena.safety.categories import CLIENT_CATEGORIES, ClientCategory

Need = ClientCategory | Literal["minor"]
"""What help is for: a kind of danger, or somebody too young to be here."""
NEEDS: tuple[Need, ...] = ("minor", *CLIENT_CATEGORIES)
"""In the order in which their help is shown: who is young needs those who are there for the young.
"""
DEFAULT_PLACE = "default"


class HelpLine(BaseModel):
    """One line of help, in both languages; ``phone`` and ``url`` can be made links."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: str
    en: str
    phone: str | None = None
    url: str | None = None


class HelpTable(BaseModel):
    """The whole table; every place has an answer for every category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: dict[str, HelpLine]
    places: dict[str, dict[Need, list[str]]]

    @model_validator(mode="after")
    def _complete(self) -> HelpTable:
        if DEFAULT_PLACE not in self.places:
            raise ValueError("help table: there is no place 'default'")
        for place, by_category in self.places.items():
            for category in NEEDS:
                if not by_category.get(category):
                    raise ValueError(f"help table: {place} has no lines for {category}")
                unknown = [name for name in by_category[category] if name not in self.lines]
                if unknown:
                    raise ValueError(f"help table: {place}.{category}: no line {unknown[0]!r}")
        return self


@cache
def help_table() -> HelpTable:
    return HelpTable.model_validate(packaged_yaml("mi_arena.safety", "help.yaml"))


def place_of(locale: str) -> str:
    """The place in the table for a browser's locale.

    Plain Chinese and mainland Chinese get mainland numbers; ``zh-TW``, ``zh-HK`` and the like do
    not, since those numbers don't work there, and get the default as all others do.
    """
    parts = locale.replace("_", "-").lower().split("-")
    if parts[0] == "zh" and ({"cn", "hans"} & set(parts[1:]) or len(parts) == 1):
        elsewhere = {"tw", "hk", "mo", "sg", "my"} & set(parts[1:])
        return DEFAULT_PLACE if elsewhere else "zh-CN"
    return DEFAULT_PLACE


def help_for(locale: str, categories: Iterable[Need]) -> list[HelpLine]:
    """Lines for a locale such as ``zh-CN`` or ``en-GB`` and the kinds of danger found.

    For several kinds the lines of each follow in the order of ``NEEDS``, none twice.
    """
    table = help_table()
    wanted = set(categories)
    by_category = table.places[place_of(locale)]
    names = [n for category in NEEDS if category in wanted for n in by_category[category]]
    return [table.lines[name] for name in dict.fromkeys(names)]
