"""One dialogue: asked, checked, sent back with what is wrong, and at last a dead letter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from eval.judge.coder import How, code
from eval.judge.prompt import load_prompt, material
from mi_arena.dialogue import Dialogue, Message, spoken_sha256
from mi_arena.llm.answers import Answer
from mi_arena.llm.asker import Unanswered
from mi_arena.llm.dead_letters import DeadLetter
from mi_arena.llm.endpoint import Parameters, endpoint_from
from mi_arena.llm.question import Question
from mi_arena.miti.check import violations
from mi_arena.miti.coding import parse_coding
from tests.eval.judge.stand_in_coder import (
    GOAL,
    asked_volleys,
    codes_answer,
    globals_answer,
    good,
    is_about_globals,
    is_first_attempt,
    made_up,
    written,
)

DIALOGUE = made_up(1)[0]
Body = dict[str, Any]


def how(**changes: Any) -> How:
    endpoint = endpoint_from("m", "http://127.0.0.1:1/v1", Parameters(0.0), environment={})
    return How(**({"endpoint": endpoint, "attempts": 3, "lang": None} | changes))


def run(
    dialogue: Dialogue, answer: Callable[[Body, int], str] = lambda body, time: good(body),
    settings: How | None = None,
) -> tuple[dict[str, Any] | DeadLetter, list[Body]]:  # fmt: skip
    asked: list[Body] = []

    async def ask(question: Question) -> Answer:
        asked.append(
            {"messages": [{"role": s.role, "content": s.content} for s in question.messages]}
        )
        at = f"2026-01-01T00:00:{len(asked):02}"
        text = answer(asked[-1], len(asked))
        return Answer(text, "stop", False, "m-1", 100, 50, False, 0.25, "noted", at)

    return asyncio.run(code(dialogue, ask, settings or how())), asked


def test_a_coding_carries_the_volleys_their_coder_and_what_the_dialogue_was() -> None:
    found, asked = run(DIALOGUE)
    assert isinstance(found, dict) and len(asked) == 2
    coding = parse_coding(found)
    assert coding.volleys and not violations(coding)
    texts = ["".join(one.text for one in volley.utterances) for volley in coding.volleys]
    assert texts == [m.content for m in DIALOGUE.messages if m.role == "counselor"]
    assert (found["id"], found["source"], found["lang"]) == ("made-0", "made-up", "zh")
    assert found["change_goal"] == GOAL and found["meta"] == DIALOGUE.meta
    assert (
        set(found["reasons"]) == set(found["globals"]) == {"CCT", "SST", "PARTNERSHIP", "EMPATHY"}
    )
    assert found["dialogue_sha256"] == spoken_sha256(DIALOGUE.messages)
    prompt = load_prompt("zh")
    assert found["coder"] == {
        "kind": "judge",
        "model": "m",
        "model_answered": "m-1",
        "prompt_version": "zh-1",
        "prompt_sha256": prompt.sha256,
        "parameters": {"temperature": 0.0},
        "requests": 2,
        "usage": {"prompt_tokens": 200, "completion_tokens": 100, "estimated": False},
        "cost_usd": 0.5,
        "cost_note": "noted",
        "finished_at": "2026-01-01T00:00:02",
    }
    for volley in found["volleys"]:
        for one in volley["utterances"]:
            whole = "".join(part["text"] for part in volley["utterances"])
            assert (one["evidence"] is None) == (one["code"] is None)
            assert one["code"] is None or one["evidence"] in whole


def test_a_broken_rule_goes_back_with_the_violation_and_is_mended() -> None:
    def answer(body: Body, time: int) -> str:
        if is_about_globals(body) or not is_first_attempt(body):
            return good(body)
        made = codes_answer(body)
        for one in made["volleys"][2]["utterances"]:
            one |= {"code": "Q", "evidence": one["text"].strip()[:2]}
        return written(made)

    found, asked = run(DIALOGUE, answer)
    assert isinstance(found, dict) and found["coder"]["requests"] == len(asked) == 3
    assert [said["role"] for said in asked[2]["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert asked[2]["messages"][2]["content"] == answer(asked[1], 2)
    back = asked[2]["messages"][3]["content"]
    assert "第 3 轮第 2 句：提问" not in back and "本轮第 1 句已经编了提问" in back
    assert "第 3 轮第 2 句" in back and "第 3 轮第 3 句" in back and "（第 1 次修改）" in back


def test_each_attempt_is_a_question_of_its_own_and_the_last_ends_in_a_dead_letter() -> None:
    found, asked = run(DIALOGUE, lambda body, time: "不知道")
    assert isinstance(found, DeadLetter) and found.kind == "checks"
    assert (found.id, found.source, found.last_answer) == ("made-0", "made-up", "不知道")
    assert [[one.kind for one in failures] for failures in found.tries] == [["no_json"]] * 3
    assert found.used["attempts"] == 3 == len({json.dumps(body) for body in asked})


def test_a_later_question_that_fails_keeps_the_account_of_all() -> None:
    found, asked = run(
        DIALOGUE, lambda body, time: good(body) if is_about_globals(body) else "{}", how(attempts=2)
    )
    assert isinstance(found, DeadLetter) and len(asked) == 3
    assert found.used["attempts"] == 3 and len(found.tries) == 2


def test_a_failing_endpoint_is_a_dead_letter_too() -> None:
    async def ask(question: Question) -> Answer:
        raise Unanswered("the endpoint refuses this request (400)")

    found = asyncio.run(code(DIALOGUE, ask, how()))
    assert (
        isinstance(found, DeadLetter) and found.kind == "endpoint" and found.reasons == ["endpoint"]
    )


def test_a_long_dialogue_is_coded_in_batches_each_seeing_all_of_it() -> None:
    long = made_up(1, volleys=30)[0]
    found, asked = run(long)
    assert isinstance(found, dict) and len(asked) == 4
    assert [list(asked_volleys(body)) for body in asked[1:]] == [
        list(range(1, 13)),
        list(range(13, 25)),
        list(range(25, 31)),
    ]
    lines = material(long).lines
    assert all(lines in body["messages"][1]["content"] for body in asked)
    assert all(GOAL in body["messages"][1]["content"] for body in asked[1:])
    assert len(found["volleys"]) == 30 and parse_coding(found).volleys


def test_blank_volleys_stand_but_are_not_asked_about() -> None:
    said = [("counselor", " "), ("client", "嗯"), ("counselor", "你想戒。"), ("client", "是")]
    messages = [Message(role=role, content=text) for role, text in said]  # type: ignore[arg-type]
    found, asked = run(DIALOGUE.model_copy(update={"messages": messages}))
    assert isinstance(found, dict)
    assert [len(volley["utterances"]) for volley in found["volleys"]] == [0, 1]
    assert list(asked_volleys(asked[1])) == [2]


def test_what_cannot_be_asked_about_is_told_without_asking() -> None:
    french = DIALOGUE.model_copy(update={"lang": "fr"})
    found, asked = run(french)
    assert isinstance(found, DeadLetter) and not asked
    assert (found.kind, found.reasons) == ("source", ["language"])
    assert "--lang" in found.tries[0][0].reason
    silent = DIALOGUE.model_copy(update={"messages": DIALOGUE.messages[:1]})
    found, asked = run(silent)
    assert isinstance(found, DeadLetter) and not asked and found.reasons == ["silent"]
    # Told which prompt to take, it is asked all the same.
    found, asked = run(french, settings=how(lang="en"))
    assert isinstance(found, dict) and found["coder"]["prompt_version"] == "en-1"
    assert "MITI 4.2.1" in asked[0]["messages"][0]["content"]


def test_the_goal_is_one_line_and_no_longer_than_the_form_takes() -> None:
    def answer(body: Body, time: int) -> str:
        if is_about_globals(body):
            return written(globals_answer() | {"change_goal": "少抽\n烟 \ud83d" + "好" * 400})
        return good(body)

    found, _ = run(DIALOGUE, answer)
    assert isinstance(found, dict) and len(found["change_goal"]) == 300
    assert found["change_goal"].startswith("少抽 烟 ?好")
