"""Answers: what can be read, what passes, and what goes back in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eval.judge.checks import Coded, checked
from eval.judge.reply import Rated, Written, rated_in, written_in
from mi_arena.llm.answers import Answer
from mi_arena.llm.attempts import Faulty
from mi_arena.miti.items import GLOBALS
from tests.eval.judge.stand_in_coder import globals_answer


def answer(
    text: str | dict[str, Any] | list[Any], finish: str = "stop", refused: bool = False
) -> Answer:
    said = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    return Answer(said, finish, refused, "m", 1, 1, False, None, "", "")


def rated_with(**changes: Any) -> dict[str, Any]:
    made = globals_answer()
    made["globals"] = made["globals"] | changes
    return made


@pytest.mark.parametrize(
    "text",
    [
        globals_answer(),
        f"好的：\n```json\n{json.dumps(globals_answer())}\n```\n完毕",
        rated_with(CCT={"reason": " 有\n依据 ", "score": "4"}, SST={"reason": "有", "score": 4.0}),
    ],
)
def test_ratings_that_can_be_read(text: Any) -> None:
    found = rated_in(answer(text), "zh")
    assert isinstance(found, Rated) and found.globals == dict.fromkeys(GLOBALS, 4)
    assert all(found.reasons.values()) and "\n" not in "".join(found.reasons.values())


@pytest.mark.parametrize(
    ("text", "kinds", "words"),
    [
        ("", ["empty"], "空"),
        ("我不能评分。", ["no_json"], "没有 JSON"),
        (json.dumps(globals_answer(), ensure_ascii=False)[:-30], ["cut"], "断了"),
        ({"CCT": 4}, ["broken"], "缺少 globals"),
        (globals_answer() | {"change_goal": ""}, ["goal"], "change_goal"),
        (globals_answer() | {"change_goal": 3, "globals": []}, ["goal", *["global"] * 4], "CCT"),
        (rated_with(SST={"reason": "有", "score": 6}), ["global"], "globals.SST"),
        (rated_with(SST={"reason": "有", "score": 3.5}), ["global"], "globals.SST"),
        (rated_with(SST={"reason": "有", "score": True}), ["global"], "globals.SST"),
        (rated_with(SST={"score": 3}), ["reason"], "globals.SST.reason"),
        (rated_with(SST=4), ["global"], "globals.SST"),
    ],
)
def test_ratings_that_go_back(text: Any, kinds: list[str], words: str) -> None:
    with pytest.raises(Faulty) as error:
        rated_in(answer(text), "zh")
    assert [one.kind for one in error.value.failures] == kinds
    assert words in error.value.failures[-1 if "globals" not in words else 0].reason or any(
        words in one.reason for one in error.value.failures
    )


def test_refusals_are_told_apart() -> None:
    for given in (answer("", "content_filter"), answer("no", refused=True)):
        with pytest.raises(Faulty, match="refusal"):
            rated_in(given, "en")
    with pytest.raises(Faulty, match="cut"):
        rated_in(answer('{"change_goal": "', "length"), "en")


def utterance(text: str, code: Any = "NONE", evidence: Any = "") -> dict[str, Any]:
    return {"text": text, "code": code, "evidence": evidence}


def volleys(*entries: tuple[Any, list[Any]]) -> dict[str, Any]:
    return {"volleys": [{"volley": number, "utterances": one} for number, one in entries]}


def test_codes_are_read_however_they_are_spelt() -> None:
    given = volleys(
        ("4", [utterance("你想戒。", "cr ", "想戒")]),
        (3, [utterance("嗯。", None, None), utterance("好。", ""), utterance("哦。")]),
    )
    for text in (given, given["volleys"]):  # the list alone will do
        assert written_in(answer(text), [3, 4], "zh") == [
            [Written("嗯。", None, ""), Written("好。", None, ""), Written("哦。", None, "")],
            [Written("你想戒。", "CR", "想戒")],
        ]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (volleys((3, [utterance("嗯。")])), "volleys", "第 3、4 轮，每轮一次；现在是第 3 轮"),
        (volleys((3, []), (4, []), (5, [])), "volleys", "第 3、4、5 轮"),
        (volleys((3, []), (3, [])), "volleys", "第 3、3 轮"),
        ({"volleys": "none"}, "volleys", "现在是第 - 轮"),
        ({"volleys": [1, {"volley": "x"}]}, "volleys", "第 ?、? 轮"),
        (volleys((3, []), (4, [utterance("好")])), "utterances", "第 3 轮"),
        (volleys((3, ["嗯"]), (4, [utterance("好")])), "utterances", "第 3 轮"),
        (volleys((3, [{"code": "Q"}]), (4, [utterance("好")])), "utterances", "第 3 轮"),
        (volleys((3, [utterance("嗯", "OARS")]), (4, [utterance("好")])), "code", "第 3 轮第 1 句"),
        (volleys((3, [utterance("嗯", 7)]), (4, [utterance("好")])), "code", "PERSUADE_WITH"),
    ],
)
def test_codes_that_go_back(text: Any, kind: str, words: str) -> None:
    with pytest.raises(Faulty) as error:
        written_in(answer(text), [3, 4], "zh")
    assert [one.kind for one in error.value.failures] == [kind]
    assert words in error.value.failures[0].reason


VOLLEY = "你想戒烟。\n这一周你一支没抽，\u3000真不容易！接下来呢？"


def test_what_passes_carries_the_volley_s_own_spelling() -> None:
    written = [
        Written("你想戒烟。 ", "SR", "想 戒烟"),
        Written("这一周你一支没抽， 真不容易！", "AF", "没抽，真不容易"),
        Written("", None, ""),
        Written("接下来呢？", "Q", "接下来呢？"),
    ]
    (found,) = checked([written], [VOLLEY], [7], "戒烟", "zh")
    assert found == [
        Coded("你想戒烟。\n", "SR", "想戒烟"),
        Coded("这一周你一支没抽，\u3000真不容易！", "AF", "没抽，\u3000真不容易"),
        Coded("接下来呢？", "Q", "接下来呢？"),
    ]
    assert "".join(one.text for one in found) == VOLLEY


def one_volley(*written: tuple[str, Any, str]) -> list[list[Written]]:
    return [[Written(*one) for one in written]]


TEXT = "你想戒烟。你也怕戒不掉。你想先怎么做？还是再等等？"
A, B, C, D = "你想戒烟。", "你也怕戒不掉。", "你想先怎么做？", "还是再等等？"


@pytest.mark.parametrize(
    ("written", "kinds", "words"),
    [
        (
            one_volley((A, "SR", A), (B, None, "")),
            ["text"],
            "原文接下来是“你想先怎么做？还是再等等”",
        ),
        (one_volley((TEXT + "好。", None, "")), ["text"], "你写的是“好。”"),
        (one_volley((A, "SR", "想戒酒"), (B + C + D, None, "")), ["evidence"], "第 7 轮第 1 句"),
        (one_volley((A, "SR", " "), (B + C + D, "Q", "")), ["evidence"] * 2, "第 7 轮第 1 句"),
        (
            one_volley((A + B, None, ""), (C, "Q", C), (D, "Q", D)),
            ["repeated_code"],
            "第 7 轮第 3 句：本轮第 2 句已经编了提问",
        ),
        (
            one_volley((A, "SR", A), (B, "CR", B), (C + D, None, "")),
            ["simple_with_complex"],
            "去掉这一句的简单式反映编码",
        ),
        (
            one_volley((A, "PERSUADE", A), (B, "PERSUADE_WITH", B), (C + D, None, "")),
            ["persuade_with_and_without"],
            "第 7 轮第 1 句",
        ),
        (
            one_volley((TEXT, None, ""), ("", "Q", C)),
            ["coded_blank"],
            "第 7 轮第 2 句：这一句没有文字",
        ),
    ],
)
def test_what_breaks_a_rule_goes_back_with_the_rule(
    written: list[list[Written]], kinds: list[str], words: str
) -> None:
    with pytest.raises(Faulty) as error:
        checked(written, [TEXT], [7], "戒烟", "zh")
    assert [one.kind for one in error.value.failures] == kinds
    assert words in error.value.failures[0].reason


def test_warnings_are_left_to_people_and_evidence_may_stand_elsewhere_in_the_volley() -> None:
    praised = [[Written("你很用心。", "AF", "用心")]] * 5
    assert len(checked(praised, ["你很用心。"] * 5, [1, 2, 3, 4, 5], "戒烟", "zh")) == 5
    asked = one_volley((A, "SR", A), (B, None, ""), (C, "Q", "还是再等等？"), (D, None, ""))
    assert checked(asked, [TEXT], [1], "戒烟", "zh")[0][2].evidence == "还是再等等？"


def test_much_that_is_wrong_is_told_in_part_and_in_english() -> None:
    written = [[Written("x", None, "")]] * 50
    with pytest.raises(Faulty) as error:
        checked(written, ["y"] * 50, list(range(1, 51)), "quit", "en")
    assert len(error.value.failures) == 20
    assert 'it goes on with "y", you wrote "x"' in error.value.failures[0].reason
    with pytest.raises(Faulty) as error:
        checked(one_volley(("a?", "Q", "a"), ("b?", "Q", "b")), ["a? b?"], [2], "quit", "en")
    reason = error.value.failures[0].reason
    assert reason.startswith("Volley 2, utterance 2: Question is coded at utterance 1 already;")
