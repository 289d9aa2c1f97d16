"""The notice to which raters agree, as the pages show it."""

from __future__ import annotations

from importlib.resources import files

import yaml


def notices() -> dict[str, str]:
    """By language. Read as a file: nothing of the pages themselves is needed."""
    text = files("mi_arena").joinpath("ui", "texts.yaml").read_text(encoding="utf-8")
    texts = yaml.safe_load(text)
    return {lang: str(texts[lang]["notice"]).strip() for lang in ("en", "zh")}
