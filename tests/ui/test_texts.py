"""Both languages say everything, with the same values, and every code has its sentence."""

from __future__ import annotations

from string import Formatter
from typing import get_args

import pytest

from mi_arena.access import members
from mi_arena.battles.form import OVERALL, POINTS, SCALE, TOPICS
from mi_arena.battles.refusal import Code
from mi_arena.miti.editing import FormKind
from mi_arena.ui.starters import starters
from mi_arena.ui.texts import LANGS, all_texts, browser_language
from mi_arena.workspace import material


def values(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_both_languages_have_all_sentences_with_the_same_values() -> None:
    zh, en = (all_texts()[lang] for lang in LANGS)
    assert zh.keys() == en.keys()
    for key, sentence in zh.items():
        assert values(sentence) == values(en[key]), key
        assert sentence.strip() and en[key].strip(), key


@pytest.mark.parametrize("lang", LANGS)
def test_every_code_has_its_sentence(lang: str) -> None:
    texts = all_texts()[lang]  # type: ignore[index]
    wanted = [f"refused_{code}" for code in get_args(Code)]
    wanted += [f"topic_{topic}" for topic in TOPICS]
    wanted += [f"overall_{one}" for one in OVERALL]
    wanted += [f"point_{one}" for one in (*POINTS, *SCALE)]
    wanted += [f"import_{problem}" for problem in get_args(material.Problem)]
    wanted += [f"access_{problem}" for problem in get_args(members.Problem)]
    wanted += [f"desk_kept_{form}" for form in get_args(FormKind)]
    assert set(wanted) <= texts.keys()


def test_starters_exist_for_every_topic_in_both_languages() -> None:
    assert set(starters()) == set(TOPICS)
    ids = [one["id"] for ones in starters().values() for one in ones]
    assert len(ids) == len(set(ids))
    for topic, ones in starters().items():
        assert topic == "free" or len(ones) >= 2
        for one in ones:
            assert one["zh"] and one["en"]


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.5", "en"),
        ("de-DE,en;q=0.5", "en"),
        ("de-DE", "zh"),
        ("", "zh"),
    ],
)
def test_the_browser_s_language_decides(header: str, lang: str) -> None:
    assert browser_language(header) == lang
