"""First client turns to start a conversation from."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml


@cache
def starters() -> dict[str, list[dict[str, str]]]:
    """By topic; each has an ``id`` and its words in both languages."""
    text = files("mi_arena.assets").joinpath("starters.yaml").read_text(encoding="utf-8")
    loaded: dict[str, list[dict[str, str]]] = yaml.safe_load(text)
    return loaded
