"""One dialogue: asked, checked, sent back with the reason, and at last a dead letter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from mi_arena.dialogue import Dialogue, Message
from mi_arena.llm.answers import Answer
from mi_arena.llm.asker import Unanswered
from mi_arena.llm.dead_letters import DeadLetter
from mi_arena.llm.endpoint import Parameters, endpoint_from
from mi_arena.llm.question import Question
from tests.training.transcribe.rewriter import LAST, good
from tests.training.transcribe.sources import made_up
from training.transcribe.prompt import load_prompt, material
from training.transcribe.rewrite import How, rewrite

SOURCE = made_up(1)[0]


def how(**changes: Any) -> How:
    fields: dict[str, Any] = {
        "prompt": load_prompt(),
        "endpoint": endpoint_from(
            "m", "http://127.0.0.1:1/v1", Parameters(temperature=0.7), environment={}
        ),
        "attempts": 3,
        "keep_client": frozenset(),
        "with_crisis": False,
    }
    return How(**(fields | changes))


def body(question: Question) -> dict[str, Any]:
    return {"messages": [{"role": s.role, "content": s.content} for s in question.messages]}


def run(
    source: Dialogue, answer: Callable[[dict[str, Any], int], str], settings: How | None = None
) -> tuple[Dialogue | DeadLetter, list[Question]]:
    asked: list[Question] = []

    async def ask(question: Question) -> Answer:
        asked.append(question)
        text = answer(body(question), len(asked))
        at = f"2026-01-01T00:00:0{len(asked)}"
        return Answer(text, "stop", False, "m-1", 100, 50, False, 0.25, "noted", at)

    return asyncio.run(rewrite(source, ask, settings or how())), asked


def test_what_holds_sources_together_is_carried_on() -> None:
    meta = {"group": "q", "source_id": 7, "source_group": ["group:p", 3], "split": "test"}
    found, _ = run(SOURCE.model_copy(update={"meta": meta}), lambda body, time: good(body))
    assert isinstance(found, Dialogue)
    assert found.meta["source_group"] == ["group:p", "group:q", "source_id:7"]
    assert (found.meta["source_id"], found.meta["split"]) == (SOURCE.id, "test")


def test_a_good_answer_becomes_a_dialogue_with_its_provenance() -> None:
    found, asked = run(SOURCE, lambda body, time: good(body))
    assert isinstance(found, Dialogue) and len(asked) == 1
    assert (found.id, found.source, found.lang) == (f"mi-{SOURCE.id}", "made-up", "zh")
    prompt = load_prompt()
    assert found.meta == {
        "topic": "health",
        "group": "g0",
        "source_group": ["group:g0"],
        "flags": ["short"],
        "source_id": SOURCE.id,
        "provenance": {
            "prompt_version": "1",
            "prompt_sha256": prompt.sha256,
            "client_kept": False,
            "model_asked": "m",
            "model_answered": "m-1",
            "parameters": {"temperature": 0.7},
            "attempts": 1,
            "usage": {"prompt_tokens": 100, "completion_tokens": 50, "estimated": False},
            "cost_usd": 0.25,
            "cost_note": "noted",
            "finished_at": "2026-01-01T00:00:01",
        },
    }
    system, task = asked[0].messages
    assert "可以随咨询师新的回应自然调整" in system.content and "逐字相同" not in system.content
    assert "共 5 轮" in task.content and SOURCE.messages[0].content in task.content


def test_a_failure_goes_back_with_its_reason() -> None:
    def answer(body: dict[str, Any], time: int) -> str:
        return good(body).replace(LAST, "你应该戒掉。") if time < 3 else good(body)

    found, asked = run(SOURCE, answer)
    assert isinstance(found, Dialogue)
    assert found.meta["provenance"]["attempts"] == 3
    assert found.meta["provenance"]["cost_usd"] == 0.75
    assert [len(question.messages) for question in asked] == [2, 4, 4]
    assert "没有征得同意就给了建议" in asked[1].messages[3].content
    assert len({question.messages for question in asked}) == 3  # no two requests are the same


def test_after_the_last_attempt_it_is_a_dead_letter_with_every_reason() -> None:
    answers = ["抱歉，我无法完成这个请求。", "", '{"messages": [{"role": "client", "con']
    found, asked = run(SOURCE, lambda body, time: answers[time - 1])
    assert isinstance(found, DeadLetter) and len(asked) == 3
    assert (found.id, found.kind, found.last_answer) == (SOURCE.id, "checks", answers[-1])
    assert found.reasons == ["refusal", "empty", "cut"]
    assert found.record()["tries"][0] == [{"kind": "refusal", "reason": "回复是拒绝，而不是改写。"}]
    assert found.used["cost_usd"] == 0.75
    assert asked[2].messages[2].content == "（空）"
    json.dumps(found.record())


def test_an_endpoint_that_gives_no_answer_makes_a_dead_letter() -> None:
    async def ask(question: Question) -> Answer:
        raise Unanswered("the endpoint answered 500 (6 tries)")

    found = asyncio.run(rewrite(SOURCE, ask, how()))
    assert isinstance(found, DeadLetter)
    assert (found.kind, found.reasons, found.last_answer) == ("endpoint", ["endpoint"], None)


@pytest.mark.parametrize(
    "settings", [how(keep_client=None), how(keep_client=frozenset(["made-up"]))]
)
def test_client_turns_are_kept_in_the_source_s_own_spelling(settings: How) -> None:
    def answer(body: dict[str, Any], time: int) -> str:
        return good(body).replace("，", "， ") if time > 1 else good(body).replace("我", "俺")

    found, asked = run(SOURCE, answer, settings)
    assert isinstance(found, Dialogue) and len(asked) == 2
    assert found.messages[::2] == [
        Message(role="client", content=m.content) for m in SOURCE.messages[::2]
    ]
    assert "逐字相同" in asked[0].messages[0].content
    assert found.meta["provenance"]["client_kept"] is True


@pytest.mark.parametrize("meta", [{"flags": ["crisis"]}, {"crisis": True}])
def test_crises_are_left_out_unless_asked_for(meta: dict[str, Any]) -> None:
    source = SOURCE.model_copy(update={"meta": meta})
    found, asked = run(source, lambda body, time: good(body))
    assert isinstance(found, DeadLetter) and not asked
    assert (found.kind, found.reasons, found.used["cost_usd"]) == ("crisis", ["crisis"], 0)
    taken, _ = run(source, lambda body, time: good(body), how(with_crisis=True))
    assert isinstance(taken, Dialogue)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lang": "en"}, "language"),
        ({"messages": []}, "empty_turn"),
        ({"messages": [Message(role="counselor", content="你好")]}, "empty_turn"),
        ({"messages": [Message(role="client", content=" ")]}, "empty_turn"),
    ],
)
def test_sources_that_cannot_be_rewritten(changes: dict[str, Any], reason: str) -> None:
    found, asked = run(SOURCE.model_copy(update=changes), lambda body, time: good(body))
    assert isinstance(found, DeadLetter) and not asked
    assert (found.kind, found.reasons) == ("source", [reason])


def test_a_source_is_given_client_first_and_turn_by_turn() -> None:
    said = [
        ("system", "s"),
        ("counselor", "您好"),
        ("client", "一"),
        ("client", "二"),
        ("counselor", "三"),
    ]
    source = Dialogue(
        id="x",
        source="s",
        messages=[Message(role=role, content=text) for role, text in said],  # type: ignore[arg-type]
    )
    assert [(m.role, m.content) for m in material(source)] == [
        ("client", "一\n二"),
        ("counselor", "三"),
    ]


def test_a_prompt_s_parts() -> None:
    prompt = load_prompt()
    assert prompt.version == "1" and len(prompt.sha256) == 64
    assert set(prompt.parts) == {"common", "client-follows", "client-kept", "task", "again"}
    for word in ("OARS", "征得同意", "12356", "120", "不做诊断", "改变语句", "维持语句", "JSON"):
        assert word in prompt.parts["common"]
    # A source that spells a placeholder of ours is material like any other.
    odd = [
        Message(role="client", content="{rounds} {source}"),
        Message(role="counselor", content="嗯"),
    ]
    task = prompt.question(odd, False).messages[1].content
    assert "共 1 轮" in task and task.count("{rounds} {source}") == 1
