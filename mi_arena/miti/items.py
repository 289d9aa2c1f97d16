"""The items of MITI 4.2.1: four globals and ten behaviour counts; their wording is ``items.yaml``.

Knows what the form says in Chinese and English, not how it is filled, checked or scored.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mi_arena.packaged_yaml import packaged_yaml

Lang = Literal["zh", "en"]
GlobalKey = Literal["CCT", "SST", "PARTNERSHIP", "EMPATHY"]
Code = Literal[
    "GI", "PERSUADE", "PERSUADE_WITH", "Q", "SR", "CR", "AF", "SEEK", "EMPHASIZE", "CONFRONT"
]
Score = Literal["technical", "relational", "percent_cr", "r_to_q", "mia", "mina"]
Caution = Literal["short_segment", "thresholds"]

GLOBALS: tuple[GlobalKey, ...] = get_args(GlobalKey)
CODES: tuple[Code, ...] = get_args(Code)
SCORES: tuple[Score, ...] = get_args(Score)
CAUTIONS: tuple[Caution, ...] = get_args(Caution)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wording(_Strict):
    """One text in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def of(self, lang: Lang) -> str:
        return self.zh if lang == "zh" else self.en


class GlobalItem(_Strict):
    """A global rating, 1 to 5; ``anchors[0]`` is the wording of 1."""

    key: GlobalKey
    name: Wording
    hint: Wording
    anchors: tuple[Wording, Wording, Wording, Wording, Wording]


class CodeItem(_Strict):
    """A behaviour count. ``key`` is the single key that sets it."""

    code: Code
    key: str = Field(pattern=r"^[A-Z]$")
    name: Wording
    definition: Wording
    example: Wording


class Items(_Strict):
    """The whole form: every global and code once, in the order of ``GLOBALS`` and ``CODES``."""

    citation: str = Field(min_length=1)
    globals: tuple[GlobalItem, ...]
    codes: tuple[CodeItem, ...]
    scores: dict[Score, Wording]
    cautions: dict[Caution, Wording]
    """What the form tells beside the numbers."""

    @model_validator(mode="after")
    def _complete(self) -> Items:
        if tuple(item.key for item in self.globals) != GLOBALS:
            raise ValueError(f"items: globals must be {', '.join(GLOBALS)}, in this order")
        if tuple(item.code for item in self.codes) != CODES:
            raise ValueError(f"items: codes must be {', '.join(CODES)}, in this order")
        if len({item.key for item in self.codes}) != len(self.codes):
            raise ValueError("items: two codes share a key")
        for name, given, wanted in (
            ("scores", tuple(self.scores), SCORES),
            ("cautions", tuple(self.cautions), CAUTIONS),
        ):
            if given != wanted:
                raise ValueError(f"items: {name} must be {', '.join(wanted)}, in this order")
        return self

    def name(self, item: GlobalKey | Code) -> Wording:
        """What the form calls a global or a code."""
        return self._names[item]

    @cached_property
    def _names(self) -> dict[GlobalKey | Code, Wording]:
        return {item.key: item.name for item in self.globals} | {
            item.code: item.name for item in self.codes
        }


@cache
def items() -> Items:
    return Items.model_validate(packaged_yaml("mi_arena.miti", "items.yaml"))
