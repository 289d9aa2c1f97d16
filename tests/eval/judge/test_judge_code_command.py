"""The command over a real server that misbehaves, killed and started again."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.judge.__main__ import main
from mi_arena.dialogue import Dialogue, write_dialogues
from mi_arena.miti.__main__ import main as miti
from mi_arena.miti.check import violations
from mi_arena.miti.coding import parse_coding
from tests.eval.judge.stand_in_coder import (
    GOAL,
    REASON,
    TEXT_MARK,
    good,
    made_up,
    misbehaving,
)
from tests.llm.stand_in_llm import Behaviour, StandInLLM
from tests.processes import kill_when, start

KEY = "sk-test-must-never-be-seen"
PRICES = ("--price-in", "2", "--price-out", "8")
SECRETS = (KEY, TEXT_MARK, GOAL, REASON, "听起来", "sk-secret", "我想戒烟")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def write(path: Path, dialogues: list[Dialogue]) -> Path:
    write_dialogues(path, dialogues)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines; one that is torn doesn't count."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def nothing_is_told(run: Path, *said: str) -> None:
    files = [run / name for name in ("log.txt", "status.json", "metrics.jsonl", "config.yaml")]
    for text in (*said, *(file.read_text(encoding="utf-8") for file in files)):
        for secret in SECRETS:
            assert secret not in text


def test_every_dialogue_ends_somewhere_and_nothing_is_paid_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = made_up(45)
    given = write(tmp_path / "in.jsonl", sources)
    out, dead, run = (tmp_path / name for name in ("out.jsonl", "out.dead.jsonl", "out.jsonl.run"))
    with StandInLLM(good, misbehaving) as server:
        command = (
            "eval.judge",
            *("code", given, "--out", out, "--base-url", server.url, "--model", "gpt-test"),
            *("--concurrency", 8, "--timeout", 3, "--json", *PRICES),
        )
        kill_when(start(*command), lambda: len(lines(out)) >= 10)
        assert 10 <= len(lines(out)) < 40
        with out.open("ab") as file:  # as a kill in the middle of writing would leave it
            file.write(b'{"id": "made-torn", "volle')
        process = start(*command)
        printed, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        before, asked = (out.read_bytes(), dead.read_bytes()), len(server.arrivals)
        assert main([str(part) for part in command[1:]]) == 0
        repeated = capsys.readouterr()
        assert (out.read_bytes(), dead.read_bytes()) == before and len(server.arrivals) == asked

    assert set(server.charged.values()) == {1}, "a request was paid twice"
    written, letters = lines(out), lines(dead)
    every_dialogue_is_somewhere(sources, written, letters)
    summary, again = json.loads(printed), json.loads(repeated.out)
    assert (summary["done"], summary["left"]) == (len(written), 0)
    assert (again["asked"], again["reused"]) == (0, len(server.charged))
    assert summary["cost_usd"] == pytest.approx(len(server.charged) * 0.006, rel=0.1)
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    nothing_is_told(run, printed, errors, repeated.out, repeated.err)

    assert miti(["summarize", str(out), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in told] == [one["id"] for one in written]
    assert all(one["technical"] == 4 and not one["violations"] for one in told)
    assert sum(one["counts"]["Q"] for one in told) > 0


def every_dialogue_is_somewhere(
    sources: list[Dialogue], written: list[dict[str, Any]], letters: list[dict[str, Any]]
) -> None:
    order = [source.id for source in sources]
    done, dead = [one["id"] for one in written], [one["id"] for one in letters]
    assert sorted(done + dead) == sorted(order) and len(set(done + dead)) == len(order)
    assert done == [name for name in order if name in done]  # the order of the input
    assert dead == [name for name in order if name in dead]
    by_id = {source.id: source for source in sources}
    for one in written:
        said = [m.content for m in by_id[one["id"]].messages if m.role == "counselor"]
        coding = parse_coding(one)
        assert coding.volleys and not violations(coding)
        for volley, text in zip(coding.volleys, said, strict=True):
            assert "".join(utterance.text for utterance in volley.utterances) == text
    assert len(done) > 30 and letters
    assert {len(letter["tries"]) for letter in letters} == {3}
    assert all(letter["last_answer"] and letter["kind"] == "checks" for letter in letters)
    assert set(Counter(f["kind"] for one in letters for t in one["tries"] for f in t)) == {
        "no_json"
    }
    assert any(one["coder"]["requests"] > 2 for one in written)


def test_the_cost_limit_stops_with_3_and_a_higher_one_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = write(tmp_path / "in.jsonl", made_up(20))
    out = tmp_path / "out.jsonl"
    with StandInLLM(good) as server:

        def command(limit: float) -> int:
            where = ["--out", str(out), "--base-url", server.url, "--model", "gpt-test"]
            return main(["code", str(given), *where, "--max-cost", str(limit), *PRICES])

        assert command(0.1) == 3
        stopped = capsys.readouterr()
        assert "eval.judge code: stopped by --max-cost 0.1" in stopped.err
        assert "goes on from here" in stopped.err
        paid = sum(server.charged.values())
        assert 0.1 - 0.02 <= paid * 0.006 <= 0.1 + 0.02
        first = out.read_bytes()
        assert command(0.1) == 3 and sum(server.charged.values()) == paid
        assert command(10) == 0
        assert len(lines(out)) == 20 and out.read_bytes().startswith(first)
    assert set(server.charged.values()) == {1} and len(server.charged) == 40
    assert "20 of 20 dialogues coded" in capsys.readouterr().out


def test_a_dry_run_counts_what_is_still_to_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = made_up(6, volleys=20)
    sources[5] = sources[5].model_copy(update={"lang": "fr"})
    given = str(write(tmp_path / "in.jsonl", sources))
    with StandInLLM(good) as server:
        command = ["code", given, "--out", str(tmp_path / "out.jsonl"), "--model", "m", "--json"]
        command += ["--base-url", server.url, *PRICES]
        assert main([*command, "--dry-run"]) == 0
        told = json.loads(capsys.readouterr().out)
        # Goal and globals, and two batches of volleys, of each.
        assert (told["dialogues"], told["requests"], told["left_out"]) == (6, 15, {"source": 1})
        assert 0 < told["cost_usd"] < told["cost_usd_at_most"]
        assert not server.arrivals and not (tmp_path / "out.jsonl.run").exists()
        assert main([*command, "--limit", "2"]) == 0
        capsys.readouterr()
        assert main([*command, "--dry-run"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["answered_before"], told["requests"]) == (6, 9)
        assert told["spent_usd"] == pytest.approx(6 * 0.006) and len(server.arrivals) == 6


def test_structured_output_is_asked_for_and_the_prompt_follows_lang(tmp_path: Path) -> None:
    given = str(write(tmp_path / "in.jsonl", [*made_up(1), *made_up(2, lang="en")[1:]]))
    with StandInLLM(good) as server:
        where = ["--out", str(tmp_path / "o.jsonl"), "--base-url", server.url, "--model", "m"]
        assert main(["code", given, *where]) == 0
        elsewhere = ["--out", str(tmp_path / "p.jsonl"), "--base-url", server.url, "--model", "m"]
        assert main(["code", given, *elsewhere, "--lang", "en"]) == 0
    versions = [
        [one["coder"]["prompt_version"] for one in lines(tmp_path / name)]
        for name in ("o.jsonl", "p.jsonl")
    ]
    assert versions == [["zh-1", "en-1"], ["en-1", "en-1"]]
    names = {one.body["response_format"]["json_schema"]["name"] for one in server.arrivals}
    assert names == {"miti_globals", "miti_codes"}
    assert all(one.body["temperature"] == 0 for one in server.arrivals)


def test_what_was_begun_otherwise_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = str(write(tmp_path / "in.jsonl", made_up(2))), tmp_path / "out.jsonl"
    with StandInLLM(good) as server:
        command = ["code", given, "--out", str(out), "--base-url", server.url, "--model", "m"]
        assert main(command) == 0
        done = out.read_bytes()
        for more, line in (
            (["--temperature", "0.5"], "another parameters"),
            (["--model", "other"], "another model"),
            (["--lang", "en"], "another lang"),
        ):
            capsys.readouterr()
            assert main([*command, *more]) == 2
            told = capsys.readouterr().err
            assert line in told and told.count("\n") == 1
    assert out.read_bytes() == done and len(server.arrivals) == 4


def test_a_signal_lets_requests_end_and_the_same_command_goes_on(tmp_path: Path) -> None:
    given, out = write(tmp_path / "in.jsonl", made_up(8)), tmp_path / "out.jsonl"
    gate = threading.Event()
    with StandInLLM(good, lambda body, time: Behaviour(gate=gate)) as server:
        arguments = ("code", given, "--out", out, "--base-url", server.url, "--model", "m")
        process = start("eval.judge", *arguments)
        assert server.wait_for(4, 120)
        process.terminate()
        gate.set()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 3 and "stopped by SIGTERM" in errors
        assert len(server.arrivals) < 16
        assert main([str(part) for part in arguments]) == 0
    assert len(lines(out)) == 8 and len(server.charged) == 16
    assert set(server.charged.values()) == {1}


def test_bad_input_gets_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = write(tmp_path / "twice.jsonl", made_up(1) * 2)
    half = tmp_path / "half.jsonl"
    half.write_bytes(twice.read_bytes()[:40])
    where = [
        "--out",
        str(tmp_path / "out.jsonl"),
        "--model",
        "m",
        "--base-url",
        "http://[::1]:9/v1",
    ]
    for path, line in (
        (twice, "occurs twice"),
        (half, "half.jsonl:1"),
        (tmp_path / "no", "no such file"),
    ):
        assert main(["code", str(path), *where]) == 2
        told = capsys.readouterr().err
        assert line in told and told.count("\n") == 1 and TEXT_MARK not in told
    assert main(["code", str(twice), "--out", str(twice), *where[2:]]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.jsonl", "twice.jsonl"]
