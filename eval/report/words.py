"""What the report says, in Chinese and English, from ``words.yaml``.

Reasons and methods come from where numbers are made, in English.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import TypeAdapter

from mi_arena.miti.items import Wording

Lang = Literal["zh", "en"]


@cache
def _table() -> dict[str, Wording]:
    text = files("eval.report").joinpath("words.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Wording]).validate_python(yaml.safe_load(text))


class Words:
    """The words of one language."""

    def __init__(self, lang: Lang):
        self.lang = lang

    def __call__(self, key: str, **facts: object) -> str:
        """The text under ``key``, with its gaps filled."""
        return _table()[key].of(self.lang).format(**facts)

    def all(self, *keys: str) -> list[str]:
        return [self(key) for key in keys]
