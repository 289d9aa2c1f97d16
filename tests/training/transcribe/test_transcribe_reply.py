"""Answers as models give them, read as dialogues or turned away with a name."""

from __future__ import annotations

import json

import pytest

from training.transcribe.reply import Unreadable, dialogue_in

TURNS = [
    {"role": "client", "content": " 我想戒烟。\n"},
    {"role": "counselor", "content": "你在想这件事。"},
]
WHOLE = json.dumps({"messages": TURNS}, ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        json.dumps({"messages": TURNS}, indent=2),
        f"```json\n{WHOLE}\n```",
        f"好的，改写如下：\n{WHOLE}\n希望对你有帮助。",
        f"<think>先想一想 {{不是}} JSON</think>{WHOLE}",
        json.dumps(TURNS),
        json.dumps({"note": "x", "messages": TURNS}),
    ],
)
def test_whole_answers_are_read(text: str) -> None:
    found = dialogue_in(text)
    assert [(m.role, m.content) for m in found] == [
        ("client", "我想戒烟。"),
        ("counselor", "你在想这件事。"),
    ]


@pytest.mark.parametrize(
    ("text", "finish", "refused", "kind"),
    [
        ("", "stop", False, "empty"),
        ("我先想一下。", "stop", False, "no_json"),
        ("我先想一下", "length", False, "cut"),
        (WHOLE[:-30], "length", False, "cut"),
        (WHOLE[:-30], "stop", False, "cut"),
        (WHOLE.replace('"content"', "content"), "stop", False, "broken_json"),
        ('{"messages": []}', "stop", False, "broken_json"),
        ('{"messages": "无"}', "stop", False, "broken_json"),
        ('{"messages": ["我"]}', "stop", False, "broken_json"),
        ('{"messages": [{"role": "client", "content": 5}]}', "stop", False, "broken_json"),
        ('{"messages": [{"role": "client"}]}', "stop", False, "broken_json"),
        (WHOLE.replace("counselor", "therapist"), "stop", False, "role"),
        (WHOLE.replace("client", "user"), "stop", False, "role"),
        ('{"messages": [{"role": ["client"], "content": "好"}]}', "stop", False, "role"),
        ("抱歉，我无法完成这个请求。", "stop", False, "refusal"),
        ("I'm sorry, but I can't assist with that.", "stop", False, "refusal"),
        (WHOLE, "content_filter", False, "refusal"),
        ("不行", "stop", True, "refusal"),
    ],
)
def test_other_answers_have_a_name(text: str, finish: str, refused: bool, kind: str) -> None:
    with pytest.raises(Unreadable) as raised:
        dialogue_in(text, finish, refused)
    assert raised.value.failure.kind == kind
    assert raised.value.failure.reason.endswith("。")
