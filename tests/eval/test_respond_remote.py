"""Models behind servers: asked once each, whatever the server does, and told in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from eval.respond.systems import load_mi_prompt
from mi_arena.dialogue import Dialogue
from mi_arena.pairs import Server
from tests.conftest import make_pair
from tests.eval.responding import Desk
from tests.llm.stand_in_llm import GOOD, SECRET_IN_ERRORS, Behaviour, StandInLLM
from tests.small_dialogues import CLIENT, made_up

DECODING = {
    "max_new_tokens": 30, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "repetition_penalty": 1.1,
}  # fmt: skip
KEY = "sk-test-0123456789"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A pair whose weights are nowhere: no remote system needs them."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    pair = make_pair(tmp_path / "nowhere", None, decoding=DECODING, system_prompt="倾听。")
    return Desk(tmp_path, pair, all_different(6))


def all_different(number: int) -> list[Dialogue]:
    """No two rounds ask the same: a question is asked once, however many rounds it answers."""
    made = []
    for place, dialogue in enumerate(made_up(number)):
        first, *others = dialogue.messages
        first = first.model_copy(update={"content": f"{place}：{first.content}"})
        made.append(dialogue.model_copy(update={"messages": [first, *others]}))
    return made


def last_words(body: Mapping[str, Any]) -> str:
    return f"  听到了：{len(body['messages'])}\n"


def test_replies_of_a_remote_model(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with StandInLLM(last_words) as server:
        words = ["--systems", "remote:big,remote:small", "--base-url", server.url]
        assert desk.run("p.jsonl", *words) == 0
        assert len(server.arrivals) == 36
        assert desk.run("p.jsonl", *words) == 0
        assert len(server.arrivals) == 36, "what was answered was asked for again"
        bodies = [arrival.body for arrival in server.arrivals]
        assert {arrival.authorization for arrival in server.arrivals} == {f"Bearer {KEY}"}
    lines = desk.lines("p.jsonl")
    assert [one["arm"] for one in lines[:2]] == ["remote:big", "remote:small"]
    assert [one["prediction"] for one in lines[::2]] == ["听到了：2", "听到了：4", "听到了：6"] * 6
    assert {one["prompt_tokens"] for one in lines} == {1000}
    assert {body["model"] for body in bodies} == {"big", "small"}
    for body in bodies:
        roles = [message["role"] for message in body["messages"]]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
        assert set(body) == {"model", "messages", "temperature", "max_tokens"}
        assert (body["temperature"], body["max_tokens"]) == (0, 30)
    told = capsys.readouterr()
    assert "remote:big: 18 replies, 9000 tokens; empty 0, cut at 30 tokens 0" in told.out
    nothing_is_told(desk, "p.jsonl", told.out, told.err)


def nothing_is_told(desk: Desk, name: str, *printed: str) -> None:
    """No key, and no word of a dialogue, in what is printed or logged."""
    run = desk.folder / f"{name}.run"
    files = [run / "log.txt", run / "status.json", run / "config.yaml"]
    for text in [*printed, *(file.read_text(encoding="utf-8") for file in files)]:
        assert KEY not in text and SECRET_IN_ERRORS not in text
        assert not any(said[-6:] in text for said in CLIENT)


def test_every_sampled_reply_has_its_seed(desk: Desk) -> None:
    with StandInLLM(last_words) as server:
        words = ["--systems", "remote:big", "--base-url", server.url, "--sample"]
        assert desk.run("p.jsonl", *words) == 0
        seeds = {arrival.body["seed"] for arrival in server.arrivals}
        assert len(seeds) == 18
        assert {arrival.body["top_p"] for arrival in server.arrivals} == {0.9}
        assert desk.run("q.jsonl", *words, "--seed", 1) == 0
        assert not seeds & {arrival.body["seed"] for arrival in server.arrivals[18:]}


def test_a_pair_on_a_server_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base and tuned are two of its models; it gets the pair's whole decoding and its own key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OUR_KEY", "sk-ours")
    with StandInLLM(last_words) as server:
        served = Server(url=server.url, base="plain", tuned="mi", key_variable="OUR_KEY")
        pair = make_pair(tmp_path / "nowhere", None, decoding=DECODING, server=served)
        desk = Desk(tmp_path, pair, all_different(2))
        assert desk.run("p.jsonl") == 0
        assert desk.run("q.jsonl", "--sample") == 0
        assert {a.authorization for a in server.arrivals} == {"Bearer sk-ours"}
        greedy, sampled = ([a.body for a in server.arrivals[i : i + 18]] for i in (0, 18))
        keyless = pair.model_copy(
            update={"server": served.model_copy(update={"key_variable": None})}
        )
        assert Desk(tmp_path, keyless, all_different(2)).run("r.jsonl", "--systems", "base") == 0
        assert server.arrivals[-1].authorization == "Bearer none"
    assert [body["model"] for body in greedy] == ["plain"] * 12 + ["mi"] * 6
    prompt = load_mi_prompt().parts["zh"]
    told = [body["messages"][0]["content"] == prompt for body in greedy]
    assert told == [False] * 6 + [True] * 6 + [False] * 6
    assert all(body["repetition_penalty"] == 1.1 and "top_k" not in body for body in greedy)
    assert all(body["top_k"] == 5 and body["temperature"] == 0.7 for body in sampled)


def misbehaving(body: dict[str, Any], time: int) -> Behaviour:
    """At first a refusal or an answer that is lost, by the length of what is asked; the answers
    without usage in the second round, else cut at the most tokens."""
    second = len(body["messages"]) == 4
    answer = {"usage": not second, "finish": "stop" if second else "length"}
    first = [
        Behaviour(status=500),
        Behaviour(status=429, headers={"retry-after-ms": "10"}),
        Behaviour(close=True, **answer),
        Behaviour(cut_body=True, **answer),
    ]
    kind = sum(len(message["content"]) for message in body["messages"]) % len(first)
    return first[kind] if time == 1 else Behaviour(**answer)


def test_beside_a_server_that_misbehaves(tmp_path: Path, desk: Desk) -> None:
    """The file is as if nothing had happened."""
    with StandInLLM(last_words, misbehaving) as server:
        words = ["--systems", "remote:big", "--base-url", server.url, "--concurrency", 8]
        assert desk.run("p.jsonl", *words) == 0
        assert set(server.charged.values()) == {1}, "an answer was paid twice"
    lines = desk.lines("p.jsonl")
    assert [one["prediction"] for one in lines] == ["听到了：2", "听到了：4", "听到了：6"] * 6
    assert [one["prompt_tokens"] for one in lines] == [1000, None, 1000] * 6
    summary = json.loads((tmp_path / "p.jsonl.run/summary.json").read_text())
    assert summary["systems"]["remote:big"]["cut"] == 12
    assert summary["systems"]["remote:big"]["tokens"] is None


def test_a_round_that_is_refused_leaves_no_file_with_a_gap(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing = True

    def plan(body: dict[str, Any], time: int) -> Behaviour:
        too_long = len(body["messages"]) == 6
        return Behaviour(status=400) if too_long and refusing else GOOD

    with StandInLLM(last_words, plan) as server:
        words = ["--systems", "remote:big", "--base-url", server.url]
        assert desk.run("p.jsonl", *words) == 2
        told = capsys.readouterr()
        assert "6 rounds stayed unanswered, the first: remote:big, dialogue 'made-0-" in told.err
        assert "refuses this request (400)" in told.err and told.err.count("\n") == 1
        assert not (desk.folder / "p.jsonl").exists()
        assert desk.status("p.jsonl")["state"] == "failed"
        nothing_is_told(desk, "p.jsonl", told.out, told.err)
        refusing = False
        assert desk.run("p.jsonl", *words) == 0
        assert sum(server.charged.values()) == 18
    assert len(desk.lines("p.jsonl")) == 18


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(status=401), "refuses the key (401): check OPENAI_API_KEY"),
        (Behaviour(status=404), "knows no big at this address (404)"),
        (Behaviour(status=402), "credit is used up"),
    ],
)
def test_a_server_that_answers_nobody(
    desk: Desk, capsys: pytest.CaptureFixture[str], behaviour: Behaviour, words: str
) -> None:
    with StandInLLM(last_words, lambda body, time: behaviour) as server:
        assert desk.run("p.jsonl", "--systems", "remote:big", "--base-url", server.url) == 2
        assert len(server.arrivals) <= 4
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1
    assert not (desk.folder / "p.jsonl").exists()


def test_the_cost_limit_stops_with_3_and_a_higher_one_goes_on(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandInLLM(last_words) as server:
        words = ["--systems", "remote:big", "--base-url", server.url, "--price-in", 2]
        words += ["--price-out", 8, "--max-cost"]  # 0.006 USD an answer
        assert desk.run("p.jsonl", *words, 0.03) == 3
        assert "stopped by --max-cost 0.03" in capsys.readouterr().err
        assert not (desk.folder / "p.jsonl").exists()
        assert desk.run("p.jsonl", *words, 1) == 0
        assert sum(server.charged.values()) == 18
    assert len(desk.lines("p.jsonl")) == 18
