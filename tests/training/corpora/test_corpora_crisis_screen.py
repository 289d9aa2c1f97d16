"""The quick look before the crisis patterns finds what they find without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.safety import crisis
from mi_arena.safety.patterns import table
from training.corpora import crisis_screen

SENTENCES = Path(__file__).parents[2] / "safety" / "crisis_sentences.yaml"
WORDS = sorted(
    {
        word
        for pattern in (*table(crisis.TABLE).patterns, *table(crisis.TABLE).exceptions)
        for word in re.findall(r"[a-z']{2,}|[\u4e00-\u9fff]{1,4}", pattern.regex)
    }
)


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


def test_sentences_that_the_patterns_are_tested_on() -> None:
    texts = strings(yaml.safe_load(SENTENCES.read_text(encoding="utf-8")))
    assert len(texts) > 100
    for text in texts:
        for spelt in (text, text.upper(), " ".join(text), "".join(map(full_width, text))):
            assert crisis_screen.scan(spelt) == crisis.scan(spelt), spelt


def full_width(character: str) -> str:
    return chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character


@given(st.lists(st.sampled_from([*WORDS, "，", " ", ".", "\n", "\u200b", "殺"]), max_size=12))
def test_words_of_the_patterns_in_any_order(words: list[str]) -> None:
    text = "".join(words)
    assert crisis_screen.scan(text) == crisis.scan(text)


@pytest.mark.parametrize("text", ["自殺", "自 杀", "ＳＵＩＣＩＤＥ", "s.u.i.c.i.d.e", "自\u200b杀"])
def test_other_spellings(text: str) -> None:
    assert crisis_screen.scan(text) == crisis.scan(text) != []
