"""The licence that each source of dialogues states, from ``licences.yaml``."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

TABLE = Path(__file__).with_name("licences.yaml")
UNKNOWN = "unknown: check before publishing"


class Licence(BaseModel):
    """``hub`` is the identifier in a dataset card's front matter."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    licence: str = UNKNOWN
    hub: str = "unknown"
    origin: str | None = Field(default=None, alias="from")
    note: str | None = None
    also: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return self.licence != UNKNOWN


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


@cache
def _table() -> dict[str, Licence]:
    rows = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    table: dict[str, Licence] = {}
    for name, row in rows.items():
        licence = Licence.model_validate(row)
        table |= {_plain(each): licence for each in (name, *licence.also)}
    return table


def licence_of(source: str) -> Licence:
    return _table().get(_plain(source), Licence())
