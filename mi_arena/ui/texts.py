"""Sentences of the pages in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from typing import Literal

from mi_arena.packaged_yaml import packaged_yaml

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, Lang] = ("zh", "en")


FILES = (
    *("texts.yaml", "texts_workspace.yaml", "texts_pipeline.yaml", "texts_evaluate.yaml"),
    *("texts_review.yaml", "texts_study.yaml"),
)


@cache
def all_texts() -> dict[Lang, dict[str, str]]:
    """Every sentence by language and key. Raises ``ValueError`` for a key that is there twice."""
    texts: dict[Lang, dict[str, str]] = {lang: {} for lang in LANGS}
    for name in FILES:
        loaded: dict[Lang, dict[str, str]] = packaged_yaml("mi_arena.ui", name)
        for lang in LANGS:
            if twice := texts[lang].keys() & loaded[lang].keys():
                raise ValueError(f"{name}: there already: {', '.join(sorted(twice))}")
            texts[lang] |= loaded[lang]
    return texts


def say(lang: Lang, key: str, **values: object) -> str:
    """The sentence ``key`` in ``lang`` with its values filled in."""
    sentence = all_texts()[lang][key]
    return sentence.format(**values) if values else sentence


def said(lang: Lang, key: str, **values: object) -> str:
    """The same as HTML text."""
    return escape(say(lang, key, **values))


def choices(lang: Lang, prefix: str, values: Iterable[str]) -> list[tuple[str, str]]:
    """The values of a choice, each behind its words: the sentence ``prefix_value``."""
    return [(say(lang, f"{prefix}_{value}"), value) for value in values]


def sentences(lang: Lang, *several: str) -> str:
    """Sentences one after the other; English ones want a blank between them."""
    return (" " if lang == "en" else "").join(several)


def browser_language(accept_language: str) -> Lang:
    """Chinese unless the browser asks for English before Chinese."""
    for part in accept_language.lower().split(","):
        name = part.split(";")[0].strip()
        if name.startswith("zh"):
            return "zh"
        if name.startswith("en"):
            return "en"
    return "zh"
