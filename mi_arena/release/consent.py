"""The notice to which raters agree, as the pages show it."""

from __future__ import annotations

from mi_arena.packaged_yaml import packaged_yaml


def notices() -> dict[str, str]:
    """By language. Read as a file: nothing of the pages themselves is needed."""
    texts = packaged_yaml("mi_arena.ui", "texts.yaml")
    return {lang: str(texts[lang]["notice"]).strip() for lang in ("en", "zh")}
