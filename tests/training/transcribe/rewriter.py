"""What a stand-in model answers to the transcriber: good rewritings, and every kind of bad one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.llm.stand_in_llm import Behaviour

COUNSELOR = [
    "听起来这件事压在你心里很久了，你也一直在想办法。",
    "一边想照顾好自己，一边又觉得力气不够，两头都是真的。",
    "你愿意多讲讲，对你来说最要紧的是哪一点？",
    "这么难的时候你还是说出来了，这份认真看得见。",
]
LAST = "今天说了不少，我们可以从你自己看重的地方慢慢来。要是难受到撑不住，随时可以拨打12356。"
TEXT_MARK = "独一无二的来访者原话"
"""Stands in every made-up source, to be looked for where no text may be."""


def source_in(body: dict[str, Any]) -> list[dict[str, str]]:
    task = body["messages"][1]["content"]
    line = next(line for line in task.splitlines() if line.startswith('{"messages"'))
    return json.loads(line)["messages"]


def good(body: dict[str, Any]) -> str:
    """Client turns as they were; the counsellor's from a few phrases."""
    clients = [m["content"] for m in source_in(body) if m["role"] == "client"]
    made = []
    for number, text in enumerate(clients):
        last = number == len(clients) - 1
        said = LAST if last else COUNSELOR[number % len(COUNSELOR)]
        made += [{"role": "client", "content": text}, {"role": "counselor", "content": said}]
    return json.dumps({"messages": made}, ensure_ascii=False)


def attempt(body: dict[str, Any]) -> int:
    return 1 if len(body["messages"]) == 2 else 2


def fate(body: dict[str, Any]) -> int:
    """0 to 99, from the source alone: the same in every run."""
    return int(hashlib.sha256(body["messages"][1]["content"].encode()).hexdigest(), 16) % 100


def wrong_roles(body: dict[str, Any]) -> str:
    return good(body).replace('"counselor"', '"therapist"')


ALLOWANCE = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "300ms"}
ONCE = (
    (3, Behaviour(429, {"Retry-After": "1"})),
    (9, Behaviour(500)),
    (11, Behaviour(stall=True)),
    (16, Behaviour(close=True)),
    (20, Behaviour(cut_body=True)),
    (22, Behaviour(429, ALLOWANCE)),
)
"""By fates below a number: what the first request for a source meets."""
REFUSED = range(22, 26)
"""Fates of sources that are refused, however often they are asked about."""


def misbehaving(body: dict[str, Any], time: int) -> Behaviour:
    """One source in two meets something; all of it passes, but for those refused for good."""
    if body.get("response_format", {}).get("type") == "json_schema":
        return Behaviour(400, error={"param": "response_format"})
    number, text = fate(body), good(body)
    if number in REFUSED:
        return Behaviour(text="抱歉，我无法完成这个请求。")
    if 26 <= number < 30:
        return Behaviour(usage=False)
    if attempt(body) > 1:
        return Behaviour()
    if time == 1 and number < 22:
        return next(behaviour for below, behaviour in ONCE if number < below)
    bad = {
        range(30, 35): Behaviour(text=text[:-40], finish="length"),
        range(35, 40): Behaviour(text=wrong_roles(body)),
        range(40, 44): Behaviour(text=f"好的，改写如下：\n```json\n{text}\n```"),
        range(44, 50): Behaviour(text=text.replace(LAST, "你应该马上戒掉，建议你每天跑步。")),
    }
    return next((how for fates, how in bad.items() if number in fates), Behaviour())
