"""The command over a real server that misbehaves, killed and started again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mi_arena.dialogue import Dialogue, read_dialogues
from tests.llm.stand_in_llm import Arrival, Behaviour, StandInLLM
from tests.processes import ROOT, kill_when, start
from tests.training.transcribe.rewriter import TEXT_MARK, good, misbehaving
from tests.training.transcribe.sources import CPSYCOUND, cpsycound, made_up, write
from training.transcribe.checks import check
from training.transcribe.command import main
from training.transcribe.prompt import material

KEY = "sk-test-must-never-be-seen"
PRICES = ("--price-in", "2", "--price-out", "8")
SECRETS = (KEY, TEXT_MARK, "听起来这件事", "sk-secret", "我想戒烟")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines; one that is torn doesn't count."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def nothing_is_told(run: Path, *said: str) -> None:
    files = [run / name for name in ("log.txt", "status.json", "metrics.jsonl", "config.yaml")]
    for text in (*said, *(file.read_text(encoding="utf-8") for file in files)):
        for secret in SECRETS:
            assert secret not in text


def status(run: Path) -> dict[str, Any]:
    return json.loads((run / "status.json").read_text())


def real_or_skip() -> list[Dialogue]:
    if not CPSYCOUND.exists():
        pytest.skip(f"REAL DIALOGUES WERE NOT TRANSCRIBED: {CPSYCOUND} is not here")
    return cpsycound(200)


@pytest.mark.parametrize("kind", ["made up", "real"])
def test_every_dialogue_ends_somewhere_and_nothing_is_paid_twice(tmp_path: Path, kind: str) -> None:
    sources = made_up(200) if kind == "made up" else real_or_skip()
    assert len(sources) == 200
    given = write(tmp_path / "in.jsonl", sources)
    out, run = tmp_path / "out.jsonl", tmp_path / "out.jsonl.run"
    dead = tmp_path / "out.dead.jsonl"
    with StandInLLM(good, misbehaving) as server:
        command = (
            "training.transcribe",
            given,
            *("--out", out, "--base-url", server.url, "--model", "gpt-test"),
            *("--concurrency", 8, "--timeout", 3, "--json", *PRICES),
        )
        kill_when(start(*command), lambda: len(lines(out)) >= 60)
        killed_at = len(lines(out))
        assert 60 <= killed_at < 200
        asked_before = len(server.arrivals)
        with out.open("ab") as file:  # as a kill in the middle of writing would leave it
            file.write(b'{"id": "mi-torn", "messa')
        process = start(*command)
        printed, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        arrivals = list(server.arrivals)

        # Once more: nothing is asked, and the files are the same to the byte.
        before = (out.read_bytes(), dead.read_bytes())
        again = start(*command)
        repeated, errors_again = again.communicate(timeout=300)
        assert again.returncode == 0 and len(server.arrivals) == len(arrivals)
        assert (out.read_bytes(), dead.read_bytes()) == before
        assert json.loads(repeated)["asked"] == 0

    assert set(server.charged.values()) == {1}, "a request was paid twice"
    # A process that was killed has told the next one nothing.
    told = waited(arrivals[:asked_before]) + waited(arrivals[asked_before:])
    assert told >= 3
    summary = json.loads(printed)
    written = list(read_dialogues(out))
    every_dialogue_is_somewhere(sources, written, lines(dead))
    assert (summary["done"], summary["left"]) == (len(written), 0)
    charged = sum(server.charged.values())
    assert charged == json.loads(repeated)["reused"]
    # Some were answered without usage, so that the sum is theirs and our estimates.
    assert summary["cost_usd"] == pytest.approx(charged * 0.006, rel=0.1)
    now = status(run)
    assert (now["state"], now["step"], now["total"]) == ("done", 200, 200)
    metrics = lines(run / "metrics.jsonl")
    assert metrics[-1]["done"] + metrics[-1]["dead"] == metrics[-1]["step"] == 200
    nothing_is_told(run, printed, errors, errors_again, repeated)


def waited(arrivals: list[Arrival]) -> int:
    """Whoever was told to wait a second did; returns how often that was seen."""
    told = 0
    for position, arrival in enumerate(arrivals):
        if arrival.behaviour and arrival.behaviour.headers.get("Retry-After") == "1":
            later = [a.at for a in arrivals[position + 1 :] if a.name == arrival.name]
            assert not later or later[0] - arrival.at >= 0.95
            told += bool(later)
    return told


def every_dialogue_is_somewhere(
    sources: list[Dialogue], written: list[Dialogue], dead: list[dict[str, Any]]
) -> None:
    done = {dialogue.meta["source_id"]: dialogue for dialogue in written}
    letters = {letter["id"]: letter for letter in dead}
    order = [source.id for source in sources]
    assert not done.keys() & letters.keys() and done.keys() | letters.keys() == set(order)
    assert list(done) == [name for name in order if name in done]  # the order of the input
    assert list(letters) == [name for name in order if name in letters]
    for source in sources:
        if source.id in done:
            assert check(material(source), done[source.id].messages) == []
            assert done[source.id].id == f"mi-{source.id}"
    assert len(done) > 140
    reasons = Counter(
        reason["kind"] for letter in dead for one in letter["tries"] for reason in one
    )
    assert reasons["refusal"] >= 3
    assert all(len(letter["tries"]) == 3 and letter["last_answer"] for letter in dead)


def test_the_cost_limit_stops_with_3_and_a_higher_one_goes_on(tmp_path: Path, capfd: Any) -> None:
    given = write(tmp_path / "in.jsonl", made_up(60))
    out, run = tmp_path / "out.jsonl", tmp_path / "run"
    with StandInLLM(good) as server:

        def command(limit: float) -> int:
            where = ["--out", str(out), "--run", str(run), "--base-url", server.url]
            return main([str(given), *where, "--max-cost", str(limit), *PRICES])

        assert command(0.15) == 3
        stopped = capfd.readouterr()
        assert "stopped by --max-cost 0.15" in stopped.err and "goes on from here" in stopped.err
        assert status(run)["state"] == "stopped"
        paid = sum(server.charged.values())
        # Every answer costs 0.006, and a request is estimated at less than 0.02.
        assert 0.15 - 0.02 <= paid * 0.006 <= 0.15 + 0.02
        first = out.read_bytes()
        assert 0 < len(lines(out)) <= paid
        assert command(0.15) == 3 and sum(server.charged.values()) == paid
        assert out.read_bytes() == first
        capfd.readouterr()
        assert command(10) == 0
        assert len(lines(out)) == 60
        assert out.read_bytes().startswith(first)
    assert set(server.charged.values()) == {1} and len(server.charged) == 60
    done = capfd.readouterr()
    assert "60 of 60 dialogues rewritten" in done.out
    nothing_is_told(run, stopped.err, stopped.out, done.err, done.out)


def test_a_signal_lets_requests_end_and_says_so(tmp_path: Path) -> None:
    given = write(tmp_path / "in.jsonl", made_up(30))
    out = tmp_path / "out.jsonl"
    gate = threading.Event()
    with StandInLLM(good, lambda body, time: Behaviour(gate=gate)) as server:
        arguments = ("--out", out, "--base-url", server.url, "--concurrency", 3)
        process = start("training.transcribe", given, *arguments)
        assert server.wait_for(3)
        process.terminate()
        gate.set()
        printed, errors = process.communicate(timeout=60)
        assert process.returncode == 3, errors
        assert "stopped by SIGTERM" in errors and "cost unknown" in printed
        asked = len(server.arrivals)
        assert asked < 30 and len(lines(out)) == asked
        process = start("training.transcribe", given, *arguments)
        process.communicate(timeout=60)
        assert process.returncode == 0 and len(lines(out)) == 30
    assert set(server.charged.values()) == {1} and len(server.arrivals) == 30


MEASURES = """
import sys, tracemalloc
from training.transcribe.command import main
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
code = main(sys.argv[1:])
print("peak", tracemalloc.get_traced_memory()[1] - before)
raise SystemExit(code)
"""


def test_memory_stays_flat(tmp_path: Path) -> None:
    """60 dialogues more, kept or leaked with their answers, would be 0.8 MB; 0.005 are seen."""
    peaks = []
    with StandInLLM(good) as server:
        for number in (20, 80):
            given = write(tmp_path / f"{number}.jsonl", made_up(number, rounds=8, pad=400))
            arguments = [given, "--out", tmp_path / f"out{number}.jsonl", "--base-url", server.url]
            done = subprocess.run(
                [sys.executable, "-c", MEASURES, *map(str, arguments), "--concurrency", "2"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            found = re.search(r"peak (\d+)", done.stdout)
            assert found, done.stderr
            peaks.append(int(found[1]))
            assert len(lines(tmp_path / f"out{number}.jsonl")) == number
    assert peaks[1] < peaks[0] + 250_000, peaks


def test_a_dry_run_asks_nothing_and_needs_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    sources = made_up(10)
    crisis = sources[3].model_copy(update={"meta": {"flags": ["crisis"]}})
    given = write(tmp_path / "in.jsonl", [*sources[:3], crisis, *sources[4:]])
    command = [str(given), "--out", str(tmp_path / "out.jsonl"), "--dry-run", "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["dialogues"], told["left_out"], told["requests"]) == (10, {"crisis": 1}, 9)
    assert 0 < told["cost_usd"] < told["cost_usd_at_most"] and "estimated" in told["how"]
    assert told["cost_usd"] == pytest.approx(
        (told["prompt_tokens"] * 2 + told["completion_tokens"] * 8) / 1e6
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]
    assert main([*command[:-1], "--model", "gpt-9"]) == 0
    assert "cost unknown, at most cost unknown (no price is noted" in capsys.readouterr().out


def test_a_dry_run_counts_what_is_answered_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = write(tmp_path / "in.jsonl", made_up(6))
    with StandInLLM(good) as server:
        command = [str(given), "--out", str(tmp_path / "out.jsonl"), "--base-url", server.url]
        assert main([*command, *PRICES, "--limit", "2"]) == 0
        capsys.readouterr()
        assert main([*command, *PRICES, "--dry-run", "--json"]) == 0
        assert len(server.arrivals) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["answered_before"], told["requests"]) == (2, 4)
    assert told["spent_usd"] == pytest.approx(0.012)


def test_crises_are_counted_and_taken_in_only_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [s.model_copy(update={"meta": {"flags": ["crisis"]}}) for s in made_up(2)]
    given = write(tmp_path / "in.jsonl", [*sources, *made_up(2, seed=1)])
    out = tmp_path / "out.jsonl"
    with StandInLLM(good) as server:
        command = [str(given), "--out", str(out), "--base-url", server.url]
        assert main(command) == 0
        assert "2 of 4 dialogues rewritten, dead letters: 2 crisis" in capsys.readouterr().out
        letters = lines(tmp_path / "out.dead.jsonl")
        assert [letter["kind"] for letter in letters] == ["crisis", "crisis"]
        assert len(server.arrivals) == 2
        # The same run directory, the decision changed: the order of the input still holds.
        assert main([*command, "--with-crisis"]) == 0
    assert [line["meta"]["source_id"] for line in lines(out)] == [
        d.id for d in read_dialogues(given)
    ]
    assert not lines(tmp_path / "out.dead.jsonl") and set(server.charged.values()) == {1}


def test_flags_that_are_no_list_stop_nothing(tmp_path: Path) -> None:
    odd = [{"flags": 5}, {"flags": "crisis"}, {"flags": ["crisis"]}, {"flags": {}}]
    sources = [s.model_copy(update={"meta": m}) for s, m in zip(made_up(4), odd, strict=True)]
    given, out = write(tmp_path / "in.jsonl", sources), tmp_path / "out.jsonl"
    with StandInLLM(good) as server:
        assert main([str(given), "--out", str(out), "--base-url", server.url]) == 0
    ids = [source.id for source in sources]
    assert [one["meta"]["source_id"] for one in lines(out)] == [ids[0], ids[3]]
    assert [one["id"] for one in lines(tmp_path / "out.dead.jsonl")] == ids[1:3]


def test_an_endpoint_s_failure_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    sources = made_up(5)
    given = write(tmp_path / "in.jsonl", sources)
    out, mended = tmp_path / "out.jsonl", False

    def plan(body: dict[str, Any], time: int) -> Behaviour:
        ill = sources[1].messages[0].content in str(body["messages"]) and not mended
        return Behaviour(400, error={"code": "content_filter"}) if ill else Behaviour()

    with StandInLLM(good, plan) as server:
        command = [str(given), "--out", str(out), "--base-url", server.url]
        assert main(command) == 0
        letters = lines(tmp_path / "out.dead.jsonl")
        assert [(one["id"], one["kind"]) for one in letters] == [(sources[1].id, "endpoint")]
        mended = True
        assert main(command) == 0
    assert [line["meta"]["source_id"] for line in lines(out)] == [source.id for source in sources]
    assert not lines(tmp_path / "out.dead.jsonl") and set(server.charged.values()) == {1}


def test_refused_dialogues_never_end_a_run_that_is_otherwise_answered(tmp_path: Path) -> None:
    sources = made_up(60)
    ill = [source.messages[0].content for source in sources[::5]]
    given = write(tmp_path / "in.jsonl", sources)

    def plan(body: dict[str, Any], time: int) -> Behaviour:
        refused = any(text in str(body["messages"]) for text in ill)
        return Behaviour(400, error={"code": "content_filter"}) if refused else Behaviour()

    with StandInLLM(good, plan) as server:
        command = [str(given), "--out", str(tmp_path / "out.jsonl"), "--base-url", server.url]
        for _ in range(2):
            assert main(command) == 0
            letters = lines(tmp_path / "out.dead.jsonl")
            assert [one["id"] for one in letters] == [source.id for source in sources[::5]]
            assert {one["kind"] for one in letters} == {"endpoint"}
        assert len(lines(tmp_path / "out.jsonl")) == 48 == len(server.charged)


def broken_inputs(folder: Path) -> dict[str, tuple[Path, str]]:
    whole = write(folder / "whole.jsonl", made_up(2)).read_bytes()
    twice = whole.splitlines(keepends=True)
    cases = {
        "empty": (b"", "no dialogue in it"),
        "binary": (bytes(range(128, 256)) * 9, "not UTF-8"),
        "half a line": (whole[:40], "half a line.jsonl:1: "),
        "wrong schema": (b'{"id": 1}\n', "wrong schema.jsonl:1: id"),
        "no gzip.gz": (whole, "not a whole gzip file"),
        "twice": (twice[0] * 2, "occurs twice"),
    }
    found = {}
    for name, (content, line) in cases.items():
        path = folder / (name if name.endswith(".gz") else f"{name}.jsonl")
        path.write_bytes(content)
        found[name] = (path, line)
    return {**found, "missing": (folder / "none.jsonl", "no such file")}


def test_bad_input_gets_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, line in broken_inputs(tmp_path).values():
        assert main([str(path), "--out", str(tmp_path / "out.jsonl")]) == 2
        told = capsys.readouterr().err
        assert line in told and told.count("\n") == 1
        assert not any(secret in told for secret in SECRETS)
    assert not (tmp_path / "out.jsonl.run").exists()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--max-cost", "1"], "--max-cost: no price is noted"),
        (["--price-in", "1"], "name both"),
        (["--base-url", "host"], "--base-url: write an address"),
        (["--out", "IN"], "is the input itself"),
        (["--out", "out.jsonl.gz"], "out.jsonl.gz would be plain text: name a file without .gz"),
        (["--run", "IN"], "cannot be written"),
    ],
)
def test_wrong_settings_get_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], line: str
) -> None:
    given = str(write(tmp_path / "in.jsonl", made_up(1)))
    command = [given, "--out", str(tmp_path / "out.jsonl"), "--base-url", "http://127.0.0.1:9/v1"]
    assert main([*command, *(given if part == "IN" else part for part in more)]) == 2
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1


def test_what_was_begun_otherwise_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = str(write(tmp_path / "in.jsonl", made_up(2)))
    out = tmp_path / "out.jsonl"
    with StandInLLM(good) as server:
        command = [given, "--out", str(out), "--base-url", server.url]
        out.write_text("somebody else's\n")
        assert main(command) == 2 and "exists, and not from" in capsys.readouterr().err
        assert out.read_text() == "somebody else's\n" and not server.arrivals
        out.unlink()
        assert main(command) == 0
        done = out.read_bytes()
        for more, line in (
            (["--temperature", "0"], "another parameters"),
            (["--model", "other"], "another model"),
            (["--keep-client", "all"], "another keep_client"),
        ):
            assert main([*command, *more]) == 2 and line in capsys.readouterr().err
        elsewhere = [given, "--out", str(tmp_path / "o2.jsonl"), "--run", f"{out}.run"]
        assert main([*elsewhere, "--base-url", server.url]) == 2
        assert "belongs to another output" in capsys.readouterr().err
    assert out.read_bytes() == done and len(server.arrivals) == 2


def test_no_other_and_no_shorter_input_replaces_what_is_written_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, other = tmp_path / "in.jsonl", tmp_path / "other.jsonl"
    write(given, made_up(6))
    write(other, made_up(3, seed=1))
    out = tmp_path / "out.jsonl"
    with StandInLLM(good) as server:

        def command(source: Path, *more: str) -> tuple[int, str]:
            where = ["--out", str(out), "--base-url", server.url]
            code = main([str(source), *where, *more])
            return code, capsys.readouterr().err

        assert command(given, "--limit", "2") == (0, "")
        assert command(given, "--limit", "4") == (0, "")
        for limit in ("3", "4"):
            code, told = command(given, "--limit", limit)
            assert code == (2 if limit == "3" else 0), told
        assert command(given) == (0, "")
        done = out.read_bytes()
        assert command(given, "--limit", "100") == (0, "")
        code, told = command(given, "--limit", "4")
        assert code == 2 and "--limit 100, and --limit 4" in told and "--replace" in told
        code, told = command(other)
        assert code == 2 and str(given) in told and str(other) in told and "--replace" in told
        assert told.count("\n") == 1 and out.read_bytes() == done
        assert command(given, "--limit", "4", "--replace") == (0, "")
        assert len(lines(out)) == 4 and done.startswith(out.read_bytes())
        assert len(server.arrivals) == 6
        assert command(other, "--replace") == (0, "")
        assert [one["meta"]["source_id"] for one in lines(out)] == [
            d.id for d in read_dialogues(other)
        ]
        assert command(given, "--replace") == (0, "")
        assert out.read_bytes() == done and len(server.arrivals) == 9


def test_two_at_once_are_one_too_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = write(tmp_path / "in.jsonl", made_up(3))
    gate = threading.Event()
    with StandInLLM(good, lambda body, time: Behaviour(gate=gate)) as server:
        arguments = [given, "--out", tmp_path / "out.jsonl", "--base-url", server.url]
        process = start("training.transcribe", *arguments)
        assert server.wait_for(1)
        assert main([str(part) for part in arguments]) == 2
        assert "another process uses it" in capsys.readouterr().err
        assert status(tmp_path / "out.jsonl.run")["pid"] == process.pid
        gate.set()
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_a_trial_and_the_whole_share_their_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, store = write(tmp_path / "in.jsonl", made_up(25)), tmp_path / "shared.sqlite"
    with StandInLLM(good, honours_keys=False) as server:

        def command(out: str, *more: str) -> dict[str, Any]:
            where = ["--out", str(tmp_path / out), "--answers", str(store), "--json"]
            assert main([str(given), *where, "--base-url", server.url, *PRICES, *more]) == 0
            return json.loads(capsys.readouterr().out)

        assert command("trial.jsonl", "--limit", "10")["asked"] == 10
        # The trial has cost 0.06; the limit is about what this run directory asks.
        whole = command("whole.jsonl", "--max-cost", "0.11")
        assert (whole["asked"], whole["reused"], whole["done"]) == (15, 10, 25)
        assert whole["cost_usd"] == pytest.approx(15 * 0.006)
        assert set(server.charged.values()) == {1} and len(server.charged) == 25
        own = [str(given), "--out", str(tmp_path / "whole.jsonl"), "--base-url", server.url]
        assert main(own) == 2
        told = capsys.readouterr().err
        assert "go on with the same --answers" in told and told.count("\n") == 1
    assert not (tmp_path / "whole.jsonl.run" / "answers.sqlite").exists()


def test_two_processes_at_once_ask_each_question_once(tmp_path: Path) -> None:
    given, store = write(tmp_path / "in.jsonl", made_up(40)), tmp_path / "shared.sqlite"
    gate = threading.Event()

    def plan(body: dict[str, Any], time: int) -> Behaviour:
        return Behaviour(gate=gate)

    with StandInLLM(good, plan, honours_keys=False) as server:
        processes = [
            start(
                "training.transcribe",
                given,
                *("--out", tmp_path / f"out{number}.jsonl", "--answers", store),
                *("--base-url", server.url, "--json"),
            )
            for number in range(2)
        ]
        assert server.wait_for(4, 120)
        waits = [tmp_path / f"out{number}.jsonl.run" / "status.json" for number in range(2)]
        deadline = time.monotonic() + 120
        while not all(path.exists() for path in waits) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        assert len(server.arrivals) == 4  # the second waits for the first's answers
        gate.set()
        told = [json.loads(one.communicate(timeout=300)[0]) for one in processes]
    assert [one.returncode for one in processes] == [0, 0]
    assert set(server.charged.values()) == {1} and len(server.charged) == 40
    assert sum(one["asked"] for one in told) == 40 == sum(one["reused"] for one in told)
    assert (tmp_path / "out0.jsonl").read_bytes() == (tmp_path / "out1.jsonl").read_bytes()


def test_a_killed_process_s_claims_are_taken_over(tmp_path: Path) -> None:
    given, store = write(tmp_path / "in.jsonl", made_up(6)), tmp_path / "shared.sqlite"
    gate = threading.Event()
    with StandInLLM(good, lambda body, time: Behaviour(gate=gate)) as server:
        arguments = (given, "--answers", store, "--base-url", server.url)
        first = start("training.transcribe", *arguments, "--out", tmp_path / "first.jsonl")
        kill_when(first, lambda: len(server.arrivals) >= 4)
        gate.set()
        command = [*arguments, "--out", tmp_path / "second.jsonl"]
        assert main([str(part) for part in command]) == 0
    assert len(lines(tmp_path / "second.jsonl")) == 6
    assert set(server.charged.values()) == {1}  # the server honours the key, which is the same


def test_a_wrong_key_ends_it_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = str(write(tmp_path / "in.jsonl", made_up(9)))
    with StandInLLM(plan=lambda body, time: Behaviour(401)) as server:
        assert main([given, "--out", str(tmp_path / "o.jsonl"), "--base-url", server.url]) == 2
    told = capsys.readouterr().err
    assert told == "training.transcribe: the endpoint refuses the key (401): check OPENAI_API_KEY\n"
    assert status(tmp_path / "o.jsonl.run")["state"] == "failed"
    nothing_is_told(tmp_path / "o.jsonl.run", told)


def test_a_fault_of_ours_quotes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise ValueError(TEXT_MARK)

    monkeypatch.setattr("training.transcribe.rewrite.check", fails)
    given = str(write(tmp_path / "in.jsonl", made_up(3)))
    with StandInLLM(good) as server:
        assert main([given, "--out", str(tmp_path / "o.jsonl"), "--base-url", server.url]) == 1
    told = capsys.readouterr().err
    assert "a fault of ours: ValueError" in told
    nothing_is_told(tmp_path / "o.jsonl.run", told)
