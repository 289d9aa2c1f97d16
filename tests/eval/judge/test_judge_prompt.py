"""What is asked: the form's own wording, the dialogue and nothing of where it comes from."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.judge.prompt import (
    FILES,
    TOKENS_AT_ONCE,
    UNCODED,
    VOLLEYS_AT_ONCE,
    Material,
    load_prompt,
    material,
    prompt_lang,
)
from mi_arena.dialogue import Dialogue, Message
from mi_arena.llm.tokens import tokens_of
from mi_arena.miti.items import CODES, GLOBALS, Lang, items
from tests.eval.judge.stand_in_coder import made_up


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_prompt_holds_every_item_in_the_form_s_own_words(lang: Lang) -> None:
    prompt = load_prompt(lang)
    for item in items().globals:
        for text in (item.key, item.name.of(lang), item.hint.of(lang).strip()):
            assert text in prompt.parts["globals"]
        for score, anchor in enumerate(item.anchors, 1):
            assert re.search(rf"^  {score}(：|: ){re.escape(anchor.of(lang))}$",
                             prompt.parts["globals"], re.MULTILINE)  # fmt: skip
    for code in items().codes:
        for text in (
            code.code,
            code.name.of(lang),
            code.definition.of(lang),
            code.example.of(lang),
        ):
            assert text in prompt.parts["codes"]
    for part in prompt.parts.values():
        assert "{globals}" not in part and "{codes}" not in part and "<!--" not in part
    assert prompt.version == f"{lang}-1" and f"_v{prompt.version[-1]}." in FILES[lang]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_examples_and_schemas_ask_for_one_thing(lang: Lang) -> None:
    prompt, given_ = load_prompt(lang), material(made_up(1)[0])
    rated, coded = prompt.of_globals(given_), prompt.of_codes(given_, "目标", [0])
    shown = [
        json.loads(next(line for line in part.splitlines() if line.startswith('{"')))
        for part in (prompt.parts["globals"], prompt.parts["codes"])
    ]
    assert rated.schema and coded.schema
    assert list(shown[0]) == list(rated.schema["properties"]) == ["change_goal", "globals"]
    assert list(shown[0]["globals"]) == list(GLOBALS)
    assert list(shown[0]["globals"]["CCT"]) == ["reason", "score"]  # first the reason
    utterance = coded.schema["properties"]["volleys"]["items"]["properties"]["utterances"]["items"]
    assert list(shown[1]["volleys"][0]["utterances"][0]) == list(utterance["properties"])
    assert utterance["properties"]["code"]["enum"] == [*CODES, UNCODED]


def test_nothing_of_where_a_dialogue_comes_from_is_shown() -> None:
    said = [
        Message(role="system", content="你是基础模型"),
        Message(role="counselor", content="你好。"),
        Message(role="counselor", content="坐吧。"),
        Message(role="client", content="{goal} 我想戒烟 {dialogue}"),
        Message(role="system", content="换人"),
        Message(role="counselor", content="你想戒。"),
    ]
    meta = {"system": "tuned", "pair": "glm", "topic": "smoking"}
    dialogue = Dialogue(id="the-id", source="the-source", messages=said, meta=meta)
    given_ = material(dialogue)
    assert given_.volleys == ("你好。\n坐吧。", "你想戒。")
    for lang in ("zh", "en"):
        prompt = load_prompt(lang)  # type: ignore[arg-type]
        for question in (prompt.of_globals(given_), prompt.of_codes(given_, "GOAL", [0, 1])):
            text = question.messages[1].content
            assert "{goal} 我想戒烟 {dialogue}" in text
            for hidden in (
                "the-id",
                "the-source",
                "tuned",
                "glm",
                "smoking",
                "你是基础模型",
                "换人",
            ):
                assert hidden not in text
        assert text.count("GOAL") == 1


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", " \n", "嗯。", "好" * 300, "长" * 1500]), max_size=40))
def test_batches_hold_every_volley_with_words_once_and_in_order(volleys: list[str]) -> None:
    batches = list(Material("", tuple(volleys)).batches())
    asked = [place for batch in batches for place in batch]
    assert asked == [place for place, text in enumerate(volleys) if text.strip()]
    for batch in batches:
        size = sum(tokens_of(volleys[place]) for place in batch)
        assert 1 <= len(batch) <= VOLLEYS_AT_ONCE
        assert size <= TOKENS_AT_ONCE or len(batch) == 1
    for one, following in pairwise(batches):
        together = [*one, following[0]]
        assert (
            len(together) > VOLLEYS_AT_ONCE
            or sum(tokens_of(volleys[place]) for place in together) > TOKENS_AT_ONCE
        )


@pytest.mark.parametrize(
    ("lang", "prompt"),
    [("zh", "zh"), ("zh-CN", "zh"), ("ZH_Hant", "zh"), ("en-GB", "en"), ("fr", None), ("", None)],
)
def test_the_prompt_follows_the_dialogue_s_language(lang: str, prompt: str | None) -> None:
    assert prompt_lang(lang) == prompt
