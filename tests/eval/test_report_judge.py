"""A report whose replies a judge codes, over a real server that stops and misbehaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.predictions import Prediction
from eval.report.command import main
from eval.report.round_dialogues import round_dialogues
from eval.respond.rounds import read_test_set
from mi_arena.dialogue import Dialogue, Message, write_dialogues
from mi_arena.jobs.script import BadInput
from tests.eval.judge.stand_in_coder import SAID, good, is_about_globals, misbehaving
from tests.eval.small_predictions import write_records
from tests.llm.stand_in_llm import Behaviour, StandInLLM
from tests.processes import kill_when, start

SYSTEMS = ("base", "tuned")
ROUNDS = 3
OPENING = "你好，今天想谈什么？"


def gold(number: int = 4, opened: bool = False) -> list[Dialogue]:
    """The gold dialogues; codes came with the first of them alone."""
    made = []
    for index in range(number):
        messages = [Message(role="counselor", content=OPENING)] if opened else []
        for turn in range(ROUNDS):
            messages.append(Message(role="client", content=f"第{index}人第{turn}句。"))
            coded = {"utterances": [{"text": "你愿意说说吗？", "code": "Q"}]} if index == 0 else {}
            said = {"role": "counselor", "content": "你愿意说说吗？", **coded}
            messages.append(Message.model_validate(said))
        made.append(Dialogue(id=f"d{index}", source="mi_zh", messages=messages))
    return made


def replies(dialogues: list[Dialogue]) -> list[dict[str, Any]]:
    return [
        {
            "dialogue_id": dialogue.id,
            "round": turn + 1,
            "arm": arm,
            "pair": "demo",
            "prompt_tokens": 9,
            "prediction": SAID[(turn + at + (arm == "tuned")) % len(SAID)].format(mark=dialogue.id),
            "reference": "你愿意说说吗？",
        }
        for arm in SYSTEMS
        for at, dialogue in enumerate(dialogues)
        for turn in range(ROUNDS)
    ]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Words of a command line that has a judge."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    data = tmp_path / "test.jsonl"
    write_dialogues(data, gold())
    predictions = write_records(tmp_path / "p.jsonl", replies(gold()))
    words = ["--out", tmp_path / "out", "--bootstrap", "50", "--data", data, "--judge", "gpt-test"]
    yield [str(word) for word in [*words, "--predictions", predictions]]


def found(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    report = json.loads((folder / "out" / "report.json").read_text())
    lines = (folder / "out" / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    return report, [json.loads(line) for line in lines]


def test_every_reply_is_coded_and_the_codes_stand_beside_it(
    tmp_path: Path, given: list[str]
) -> None:
    with StandInLLM(good) as server:
        assert main([*given, "--base-url", server.url]) == 0
        asked = "".join(str(one.body) for one in server.arrivals)
    assert '"tuned"' not in asked and "rounds-" not in asked  # the judge is blind
    report, rounds = found(tmp_path)
    (judge,) = report["miti_judge"]["judges"]
    assert judge["setting"] == "test_rounds" and not judge["validated"]
    (group,) = judge["groups"]
    assert [(one["system"], one["dialogues"]) for one in group["systems"]] == [
        ("base", 4),
        ("tuned", 4),
    ]
    (difference,) = group["differences"]
    assert difference["matches"] == 4
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "来访者回应的是参考咨询师" in html and "没有与人工编码比对过" in html
    assert [one["codes"].get("reference") for one in rounds] == [["Q"]] * ROUNDS + [None] * 9
    first = rounds[0]
    assert first["replies"]["base"].startswith("听起来")
    assert first["codes"]["base"] == ["SR", "Q"]
    assert first["codes"]["tuned"] == ["AF", "CR"]
    assert first["client"] == "第0人第0句。" and first["client_characters"] == 7
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["step"] == status["total"] == len(replies(gold())) + 3
    glance = {one["measure"]: one for one in report["glance"]["lines"]}
    assert "MITI 技术性总分 (gpt-test, 未与人工比对)" in glance
    stages = {one["stage"]: one for one in report["costs"]["stages"]}
    assert stages["codes"]["seconds"] is not None and stages["judge gpt-test"]["tokens"] > 0


def test_stopped_at_its_limit_it_goes_on_and_pays_nothing_twice(
    tmp_path: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    prices = ["--price-in", "2", "--price-out", "8", "--concurrency", "2"]
    with StandInLLM(good) as server:
        command = [*given, "--base-url", server.url, *prices]
        assert main([*command, "--max-cost", "0.03"]) == 3
        assert "--max-cost" in capsys.readouterr().err
        status = json.loads((tmp_path / "out" / "status.json").read_text())
        assert status["state"] == "stopped" and 0 < status["step"] < status["total"] - 3
        assert not (tmp_path / "out" / "report.json").exists()
        assert main([*command, "--max-cost", "5"]) == 0
        assert set(server.charged.values()) == {1}
    report, _ = found(tmp_path)
    assert report["miti_judge"]["judges"][0]["groups"][0]["dialogues"] == 8


def test_killed_it_goes_on_and_pays_nothing_twice(tmp_path: Path, given: list[str]) -> None:
    codes = tmp_path / "out" / "judged" / "codes.jsonl"
    with StandInLLM(good) as server:
        command = [*given, "--base-url", server.url, "--concurrency", "1"]
        kill_when(
            start("eval.report", *command),
            lambda: codes.exists() and codes.read_bytes().count(b"\n") >= 2,
        )
        assert not (tmp_path / "out" / "report.json").exists()
        assert main(command) == 0
        assert set(server.charged.values()) == {1}
    assert len(codes.read_text(encoding="utf-8").splitlines()) == 8
    report, rounds = found(tmp_path)
    assert report["miti_judge"]["judges"][0]["groups"][0]["dialogues"] == 8 and len(rounds) == 12


def test_a_server_that_misbehaves_leaves_dialogues_out_and_says_so(
    tmp_path: Path, given: list[str]
) -> None:
    def refusing(body: dict[str, Any], time: int) -> Behaviour:
        if is_about_globals(body) and "第1人" in str(body):
            return Behaviour(text="抱歉，我无法完成这个请求。")
        return misbehaving(body, time) if "第2人" in str(body) else Behaviour()

    with StandInLLM(good, refusing) as server:
        assert main([*given, "--base-url", server.url, "--timeout", "3"]) == 0
    report, rounds = found(tmp_path)
    left_out = sum(report["miti_judge"]["not_coded"].values())
    assert left_out >= 2
    assert f"未能编码 {left_out} 段对话" in (tmp_path / "out" / "report.md").read_text("utf-8")
    of_d1 = [one for one in rounds if one["dialogue_id"] == "d1"]
    assert len(of_d1) == ROUNDS and all(not one["codes"] for one in of_d1)


def test_what_is_coded_is_the_gold_client_and_the_systems_own_replies(tmp_path: Path) -> None:
    data = tmp_path / "test.jsonl"
    write_dialogues(data, gold(2, opened=True))
    tests = read_test_set(data)
    lines = [Prediction.model_validate(one) for one in replies(gold(2))]
    made = list(round_dialogues(tests.rounds, lines))
    assert [(one.meta["system"], one.meta["dialogue_id"]) for one in made] == [
        (system, name) for system in SYSTEMS for name in ("d0", "d1")
    ]
    assert len({one.id for one in made}) == 4 and len({one.meta["match_id"] for one in made}) == 2
    first = made[0].messages
    assert first[0].content == OPENING and made[0].meta["opening"]
    assert [one.content for one in first[1::2]] == [f"第0人第{turn}句。" for turn in range(ROUNDS)]
    assert [one.content for one in first[2::2]] == [one.prediction for one in lines[:ROUNDS]]
    with pytest.raises(BadInput, match="has no round 1 of dialogue 'd9'"):
        list(round_dialogues(tests.rounds, [lines[0].model_copy(update={"dialogue_id": "d9"})]))


@pytest.mark.parametrize(
    ("left_out", "told"),
    [("--data", "name the test set"), ("--predictions", "no replies to code")],
)
def test_what_a_judge_needs(
    given: list[str], capsys: pytest.CaptureFixture[str], left_out: str, told: str
) -> None:
    at = given.index(left_out)
    assert main(given[:at] + given[at + 2 :]) == 2
    assert told in capsys.readouterr().err
