"""Sentences of the pages in the reader's language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, Lang] = ("zh", "en")


@cache
def all_texts() -> dict[Lang, dict[str, str]]:
    text = files("mi_arena.ui").joinpath("texts.yaml").read_text(encoding="utf-8")
    loaded: dict[Lang, dict[str, str]] = yaml.safe_load(text)
    return loaded


def say(lang: Lang, key: str, **values: object) -> str:
    """The sentence ``key`` in ``lang`` with its values filled in."""
    sentence = all_texts()[lang][key]
    return sentence.format(**values) if values else sentence


def browser_language(accept_language: str) -> Lang:
    """Chinese unless the browser asks for English before Chinese."""
    for part in accept_language.lower().split(","):
        name = part.split(";")[0].strip()
        if name.startswith("zh"):
            return "zh"
        if name.startswith("en"):
            return "en"
    return "zh"
