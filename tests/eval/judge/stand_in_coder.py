"""What a stand-in model answers to the judge: good codings, and every kind of bad one."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from mi_arena.dialogue import Dialogue, Message
from mi_arena.miti.segment import cut
from tests.llm.stand_in_llm import Behaviour

GOAL = "少抽几支烟"
TEXT_MARK = "独一无二的咨询师原话"
"""Stands in every made-up dialogue, to be looked for where no text may be."""
REASON = "第1轮的依据"
SAID = [
    "听起来你已经想了很久。{mark}，那么接下来你想先谈什么？",
    "你为了孩子忍了一整周，这很不容易。\n一支烟的工夫，是你一天里唯一的空。",
    "嗯。要不要改、怎么改，都由你来定。你最想先动哪一步？",
    "“再抽一支”成了习惯；你自己也不喜欢它。",
]


def made_up(number: int, volleys: int = 3, lang: str = "zh") -> list[Dialogue]:
    """Every dialogue differs."""
    made = []
    for index in range(number):
        messages = []
        for turn in range(volleys):
            client = f"第{index}个人的第{turn}句：我还是放不下烟。"
            said = SAID[(turn + index) % len(SAID)].format(mark=f"{TEXT_MARK}{index}-{turn}")
            messages += [
                Message(role="client", content=client),
                Message(role="counselor", content=said),
            ]
        meta = {"system": "tuned", "pair": "demo", "match_id": f"m{index}"}
        made.append(
            Dialogue(id=f"made-{index}", source="made-up", lang=lang, messages=messages, meta=meta)
        )
    return made


def is_about_globals(body: dict[str, Any]) -> bool:
    return '"change_goal"' in body["messages"][0]["content"]


def turns_in(body: dict[str, Any]) -> list[dict[str, Any]]:
    lines = body["messages"][1]["content"].splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"role"')]


def asked_volleys(body: dict[str, Any]) -> dict[int, str]:
    """The texts of the volleys that codes are asked for."""
    told = body["messages"][1]["content"]
    found = re.search(r"请只编码第 ([\d、]+) 轮|Code only these volleys: ([\d, ]+)\.", told)
    assert found
    numbers = [int(one) for one in re.findall(r"\d+", found[1] or found[2])]
    texts = {turn["volley"]: turn["text"] for turn in turns_in(body) if "volley" in turn}
    return {number: texts[number] for number in numbers}


def good(body: dict[str, Any]) -> str:
    return written(globals_answer() if is_about_globals(body) else codes_answer(body))


def globals_answer(score: int = 4) -> dict[str, Any]:
    keys = ("CCT", "SST", "PARTNERSHIP", "EMPATHY")
    return {
        "change_goal": GOAL,
        "globals": {key: {"reason": REASON, "score": score} for key in keys},
    }


def codes_answer(body: dict[str, Any]) -> dict[str, Any]:
    volleys = [
        {"volley": number, "utterances": utterances_of(text)}
        for number, text in asked_volleys(body).items()
    ]
    return {"volleys": volleys}


def utterances_of(text: str) -> list[dict[str, str]]:
    """Cut by punctuation; each code once."""
    seen: set[str] = set()
    made = []
    for piece in cut(text):
        code = code_of(piece)
        if code in seen:
            code = "NONE"
        seen.add(code)
        evidence = "" if code == "NONE" else piece.strip()[:3]
        made.append({"text": piece, "code": code, "evidence": evidence})
    return made


def code_of(piece: str) -> str:
    for mark, code in (("？", "Q"), ("由你来定", "EMPHASIZE"), ("不容易", "AF"), ("听起来", "SR")):
        if mark in piece:
            return code
    return "CR" if "你" in piece else "NONE"


def written(answer: dict[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False)


def is_first_attempt(body: dict[str, Any]) -> bool:
    return len(body["messages"]) == 2


def fate(body: dict[str, Any]) -> int:
    """0 to 99, from the question alone: the same in every run, and at every attempt."""
    text = "".join(message["content"] for message in body["messages"][:2])
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100


def spoilt(body: dict[str, Any], number: int) -> Behaviour:
    """An answer that breaks a check, by the number of the way."""
    text = good(body)
    if is_about_globals(body):
        answer = globals_answer()
        ways: list[Any] = [
            answer | {"change_goal": " "},
            answer | {"globals": {"CCT": {"reason": REASON, "score": 4}}},
            globals_answer(6),
        ]
    else:
        ways = [codes_answer(body) for _ in range(4)]
        first = [one["volleys"][0]["utterances"][0] for one in ways]
        first[0]["text"] += "了"
        first[1] |= {"code": "OARS"}
        first[2] |= {"code": "CR", "evidence": "没有这句话"}
        twice = {"text": "", "code": "Q", "evidence": ""}
        ways[3]["volleys"][0]["utterances"] = [
            {"text": piece, "code": "Q", "evidence": piece.strip()[:2]}
            for piece in cut(next(iter(asked_volleys(body).values())))
        ] or [twice]
    ways += [text[:-20], "我不太确定。"]
    way = ways[number % len(ways)]
    return Behaviour(text=way if isinstance(way, str) else written(way))


ONCE = (
    (4, Behaviour(429, {"Retry-After": "1"})),
    (8, Behaviour(503)),
    (10, Behaviour(stall=True)),
    (14, Behaviour(close=True)),
    (18, Behaviour(cut_body=True)),
)
"""By fates below a number: what the first request for a question meets."""
HOPELESS = range(18, 22)
"""Fates of questions that are refused, however often they are asked."""


def misbehaving(body: dict[str, Any], time: int) -> Behaviour:
    """Two questions in three meet something; all of them pass, but for the hopeless."""
    if body.get("response_format", {}).get("type") == "json_schema":
        return Behaviour(400, error={"param": "response_format"})
    number = fate(body)
    if number in HOPELESS:
        return Behaviour(text="抱歉，我无法完成这个请求。")
    if not is_first_attempt(body):
        return Behaviour()
    if number < 18:
        return next(how for below, how in ONCE if number < below) if time == 1 else Behaviour()
    if number < 50:
        return spoilt(body, number)
    if number < 55:
        return Behaviour(text=good(body)[:-9], finish="length")
    if number < 62:
        return Behaviour(text=f"好的，编码如下：\n```json\n{good(body)}\n```")
    return Behaviour(usage=number >= 66)
