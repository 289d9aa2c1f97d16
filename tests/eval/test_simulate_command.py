"""The command from profiles to transcripts: over servers that misbehave, killed, taken up again."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from eval.judge.__main__ import main as judge
from eval.simulate.clients import ATTEMPTS
from eval.simulate.own_words import own_words
from eval.simulate.summary import CAUTION
from eval.simulate.talk import Talk
from mi_arena.dialogue import read_dialogues
from mi_arena.jobs.run_directory import alone_in
from tests.conftest import make_pair
from tests.eval.judge.stand_in_coder import good as judged
from tests.eval.simulating import PUSHY, SKILLED, Desk, profile
from tests.llm.stand_in_llm import GOOD, Behaviour, StandInLLM
from tests.processes import kill_when, start
from tests.small_models import small_base
from tests.workspace.conftest import ANN, Workspace, assign, texts_in, train, workspace

__all__ = ["workspace"]
pytestmark = pytest.mark.usefixtures("one_thread")
KEY = "sk-test-must-never-be-seen"
PRICES = ("--price-in", 2, "--price-out", 8)
SYSTEMS = ("--systems", "remote:kind,remote:harsh")
PLAYS = "扮演一位来访者"
UNFIT = "咨询师：你说得对。"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A pair whose weights are nowhere: no remote system needs them."""
    return Desk(tmp_path, make_pair(tmp_path / "nowhere", None))


@pytest.fixture
def local_desk(tmp_path: Path, pair_folders: tuple[Path, Path]) -> Desk:
    decoding = {"max_new_tokens": 12, "temperature": 0.8}
    return Desk(tmp_path, make_pair(*pair_folders, decoding=decoding), clients=3)


def is_client(body: dict[str, Any]) -> bool:
    return PLAYS in body["messages"][0]["content"]


def answer(body: dict[str, Any]) -> str:
    """Clients say what stands in their prompt as an example; counsellors what they are called."""
    said = [message["content"] for message in body["messages"]]
    if is_client(body):
        return str(said[-1].split("【这个人会这样说】")[1].split("\n")[0]) + "嗯？"
    replies = SKILLED if body["model"] == "kind" else PUSHY
    return replies[sum(message["role"] == "assistant" for message in body["messages"])]


def test_transcripts_of_two_systems(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with StandInLLM(answer) as server:
        words = [*SYSTEMS, "--base-url", server.url]
        assert desk.run("o.jsonl", *words) == 0
        asked = len(server.arrivals)
        assert desk.run("o.jsonl", *words, "--json") == 0
        assert len(server.arrivals) == asked, "what was answered was asked for again"
    printed = capsys.readouterr().out
    lines = desk.lines("o.jsonl")
    assert [one["meta"]["system"] for one in lines] == ["remote:kind", "remote:harsh"] * 4
    assert len({one["id"] for one in lines}) == 8
    for kind, harsh in zip(lines[::2], lines[1::2], strict=True):
        assert kind["meta"]["match_id"] == harsh["meta"]["match_id"]
        assert kind["messages"][0] == harsh["messages"][0]
        assert {m["role"] for m in kind["messages"]} == {"client", "counselor"}
        rounds = kind["meta"]["rounds"]
        assert [one["round"] for one in rounds] == list(range(1, len(rounds) + 1))
        assert "reflection" in rounds[0]["behaviours"]
        assert rounds[-1]["readiness"] > kind["meta"]["start"]["readiness"]
        assert harsh["meta"]["rounds"][-1]["readiness"] < harsh["meta"]["start"]["readiness"]
        assert kind["meta"]["ended"] in ("rounds", "commitment")
    told = desk.told("o.jsonl")
    assert json.loads(printed.splitlines()[-1]) == told
    assert told["caution"] == CAUTION and CAUTION in printed
    assert told["n_clients"] == 4 and told["systems"]["remote:kind"]["n"] == 4
    (difference,) = told["differences"]
    assert (difference["system"], difference["against"]) == ("remote:harsh", "remote:kind")
    change = difference["readiness_change"]
    assert change["high"] < 0 and change["n"] == 4 and "bootstrap over matches" in change["method"]
    status = desk.told("o.jsonl", "status.json")
    assert (status["state"], status["step"], status["total"]) == ("done", 64, 64)
    assert KEY not in printed and not (desk.folder / "o.left-out.jsonl").exists()


def test_experts_can_be_given_what_was_written(desk: Desk, workspace: Workspace) -> None:
    with StandInLLM(answer) as server:
        assert desk.run("o.jsonl", *SYSTEMS, "--base-url", server.url) == 0
    text = (desk.folder / "o.jsonl").read_text(encoding="utf-8")
    done = workspace.material.import_dialogues(text, "o.jsonl")
    assert (done.new, done.known, done.in_danger) == (8, 0, 0)
    books = workspace.ledger.now()
    assert len(books.matches) == 4
    train(workspace.store, ANN)
    for match in books.matches:
        assert books.opponents(match) is not None
        view = workspace.matches.open(ANN, assign(workspace.store, ANN, match, "match"))
        seen = list(texts_in(view))
        meta = [one["meta"] for one in desk.lines("o.jsonl")]
        hidden = {one[name] for one in meta for name in ("system", "profile", "match_id")}
        hidden |= {one["id"] for one in desk.lines("o.jsonl")} | {"kind", "harsh", "sustain"}
        assert not [word for word in hidden if any(word in text for text in seen)]
        assert len(view.sides) == 2 and len(view.sides["A"]) >= 2
    # Another seed makes other matches, which can be imported beside these.
    with StandInLLM(answer) as server:
        words = [*SYSTEMS, "--base-url", server.url, "--seed", 1]
        assert desk.run("p.jsonl", *words) == 0
    text = (desk.folder / "p.jsonl").read_text(encoding="utf-8")
    assert workspace.material.import_dialogues(text, "p.jsonl").new == 8


def test_the_judge_codes_what_was_written(desk: Desk) -> None:
    def plan(body: dict[str, Any], time: int) -> Behaviour:
        late = len(body["messages"]) == 3  # the second reply
        return Behaviour(text="") if body["model"] == "harsh" and late else GOOD

    with StandInLLM(answer, plan) as server:
        words = [*SYSTEMS, "--base-url", server.url, "--limit", 1, "--rounds", 3]
        assert desk.run("o.jsonl", *words) == 0
    with StandInLLM(judged) as server:
        coded = desk.folder / "coded.jsonl"
        given = ["code", desk.folder / "o.jsonl", "--out", coded, "--model", "judge"]
        assert judge([*map(str, given), "--base-url", server.url]) == 0
        asked = json.dumps([one.body["messages"] for one in server.arrivals])
    assert len(coded.read_text(encoding="utf-8").splitlines()) == 2
    assert not [word for word in ("remote:", "harsh", "kind", "sim-") if word in asked]


def test_neither_order_nor_company_changes_a_talk(desk: Desk) -> None:
    raw = yaml.safe_load(desk.profiles.read_text(encoding="utf-8"))
    raw["profiles"] = raw["profiles"][::-1][:3]
    other = desk.folder / "other.yaml"
    other.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with StandInLLM(answer) as server:
        assert desk.run("o.jsonl", *SYSTEMS, "--base-url", server.url) == 0
        words = ["--systems", "remote:harsh", "--base-url", server.url, "--profiles", other]
        assert desk.run("p.jsonl", *words) == 0
    once = {one["id"]: one for one in desk.lines("o.jsonl")}
    again = desk.lines("p.jsonl")
    assert len(again) == 3 and all(once[one["id"]] == one for one in again)


def unruly(body: dict[str, Any], time: int) -> Behaviour:
    """Every client turn fails in a way of its own, at first; one kind of client stays unfit."""
    if not is_client(body):
        return GOOD
    said = body["messages"][-1]["content"]
    if "大二男生" in said:
        return Behaviour(text=UNFIT)
    ways = [
        Behaviour(500), Behaviour(429, {"Retry-After": "0.2"}),
        Behaviour(close=True), Behaviour(cut_body=True), Behaviour(usage=False),
        Behaviour(text="作为AI语言模型，我不能。"), Behaviour(text=""), Behaviour(finish="length"),
        Behaviour(text="来访者：“我也说不好，就是有点烦。”"), GOOD, GOOD,
    ]  # fmt: skip
    return ways[sum(map(ord, said[-40:])) % len(ways)] if time == 1 else GOOD


def test_a_model_plays_the_clients_and_misbehaves(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = yaml.safe_load(desk.profiles.read_text(encoding="utf-8"))
    raw["profiles"][0] |= {"person": "大二男生"}
    desk.profiles.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with StandInLLM(answer, unruly) as server:
        words = [*SYSTEMS, "--base-url", server.url, "--client", "player", *PRICES]
        assert desk.run("o.jsonl", *words, "--rounds", 4, "--timeout", 20) == 0
        arrivals = list(server.arrivals)
        assert set(server.charged.values()) == {1}, "a request was paid twice"
        first = (desk.folder / "o.jsonl").read_bytes()
        assert desk.run("o.jsonl", *words, "--rounds", 4, "--timeout", 20) == 0
        assert len(server.arrivals) == len(arrivals)
        assert (desk.folder / "o.jsonl").read_bytes() == first
    lines = desk.lines("o.jsonl")
    assert {one["meta"]["client"]["model"] for one in lines} == {"player"}
    assert {one["meta"]["client"]["prompt_version"] for one in lines} == {"1"}
    spoken = [m["content"] for one in lines for m in one["messages"] if m["role"] == "client"]
    assert not [text for text in spoken if "咨询师" in text or "AI" in text or "：“" in text]
    unfit = [one for one in lines if one["meta"]["profile"] == raw["profiles"][0]["id"]]
    for one in unfit:
        spare = [told["spare_words"] for told in one["meta"]["rounds"]]
        assert spare == [False, *[True] * (len(spare) - 1)]
    tries = [one.name for one in arrivals if one.behaviour and one.behaviour.text == UNFIT]
    assert len(tries) == len(set(tries)) and len(tries) % ATTEMPTS == 0
    spare = sum(one["client_turns_spare"] for one in desk.told("o.jsonl")["systems"].values())
    assert spare == sum(t["spare_words"] for one in lines for t in one["meta"]["rounds"]) > 0
    told = capsys.readouterr()
    files = [desk.folder / "o.jsonl.run" / n for n in ("log.txt", "status.json", "config.yaml")]
    for text in (told.out, told.err, *(file.read_text(encoding="utf-8") for file in files)):
        assert KEY not in text and "想戒烟" not in text and "听起来" not in text


def test_a_client_in_danger_is_no_material_for_raters(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    def plan(body: dict[str, Any], time: int) -> Behaviour:
        if is_client(body) and "听起来你心里" in body["messages"][-1]["content"]:
            return Behaviour(text="我真的不想活了。")
        return GOOD

    with StandInLLM(answer, plan) as server:
        words = [*SYSTEMS, "--base-url", server.url, "--client", "player", *PRICES]
        assert desk.run("o.jsonl", *words) == 0
    out = list(read_dialogues(desk.folder / "o.left-out.jsonl"))
    assert len(out) == 4 and {one.meta["system"] for one in out} == {"remote:kind"}
    for one in out:
        assert one.meta["ended"] == "crisis" == one.meta["left_out"]
        assert one.meta["flags"] == ["crisis"] and one.messages[-1].role == "client"
    assert {one["meta"]["system"] for one in desk.lines("o.jsonl")} == {"remote:harsh"}
    told = desk.told("o.jsonl")["systems"]["remote:kind"]
    assert told["ended"]["crisis"] == 4 and told["left_out"] == {"crisis": 4}
    assert told["readiness_change"]["mean"] is None and told["readiness_change"]["left_out"] == 4
    assert "not for raters, in the file beside it: crisis 4" in capsys.readouterr().out


def test_a_counsellor_that_says_nothing_is_left_out(desk: Desk, workspace: Workspace) -> None:
    def plan(body: dict[str, Any], time: int) -> Behaviour:
        if body["model"] == "mute":
            return Behaviour(text="")
        return Behaviour(400) if body["model"] == "barred" else GOOD

    with StandInLLM(answer, plan) as server:
        words = ["--systems", "remote:kind,remote:mute,remote:barred", "--base-url", server.url]
        assert desk.run("o.jsonl", *words) == 0
    told = desk.told("o.jsonl")["systems"]
    for name in ("remote:mute", "remote:barred"):
        assert told[name]["ended"]["left"] == 4 and told[name]["left_out"] == {"silent": 4}
    assert told["remote:barred"]["replies_refused"] == told["remote:barred"]["rounds"] > 0
    text = (desk.folder / "o.jsonl").read_text(encoding="utf-8")
    assert workspace.material.import_dialogues(text, "o.jsonl").new == 4


def test_the_cost_limit_stops_with_3_and_a_higher_one_goes_on(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandInLLM(answer) as server:
        words = [*SYSTEMS, "--base-url", server.url, "--client", "player", *PRICES]
        assert desk.run("o.jsonl", *words, "--max-cost", 0.2) == 3
        told = capsys.readouterr().err
        assert "stopped by --max-cost 0.2" in told and "goes on from here" in told
        assert desk.told("o.jsonl", "status.json")["state"] == "stopped"
        assert not (desk.folder / "o.jsonl").exists()
        assert desk.run("o.jsonl", *words) == 0
        assert set(server.charged.values()) == {1}
    assert len(desk.lines("o.jsonl")) == 8


def test_a_signal_stops_with_3(desk: Desk) -> None:
    gate = threading.Event()
    with StandInLLM(answer, lambda body, time: Behaviour(gate=gate)) as server:
        words = desk.words("o.jsonl", *SYSTEMS, "--base-url", server.url)
        process = start("eval.simulate", *words)
        assert server.wait_for(4, 120)
        process.terminate()
        gate.set()
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 3 and "stopped by SIGTERM; the same command" in errors
        assert desk.told("o.jsonl", "status.json")["state"] == "stopped"
        assert desk.run("o.jsonl", *SYSTEMS, "--base-url", server.url) == 0
    assert set(server.charged.values()) == {1}


def test_a_pair_in_this_process_killed_and_taken_up_again(local_desk: Desk) -> None:
    desk, words = local_desk, ["--rounds", 4, "--batch", 4]
    assert desk.run("whole.jsonl", *words) == 0
    lines = desk.lines("whole.jsonl")
    assert [one["meta"]["system"] for one in lines] == ["base", "tuned"] * 3
    kept = desk.folder / "killed.jsonl.run" / "checkpoints" / "replies.jsonl"
    process = start("eval.simulate", *desk.words("killed.jsonl", *words))
    kill_when(process, lambda: kept.exists() and kept.read_bytes().count(b"\n") >= 2)
    with kept.open("ab") as file:  # as a kill in the middle of writing would leave it
        file.write(b'[{"dialogue_id": "smok')
    assert not (desk.folder / "killed.jsonl").exists()
    assert desk.run("killed.jsonl", *words) == 0
    assert desk.lines("killed.jsonl") == lines
    summaries = [desk.told(name) | {"out": ""} for name in ("whole.jsonl", "killed.jsonl")]
    assert summaries[0] == summaries[1]


def test_a_model_of_ones_own_plays_the_clients(local_desk: Desk) -> None:
    desk = local_desk
    player = small_base(desk.folder / "player", seed=3)
    config = json.loads((player / "config.json").read_text())
    config["max_position_embeddings"] = 8192  # a prompt in this tokenizer is mostly bytes
    (player / "config.json").write_text(json.dumps(config))
    words = ["--client", f"local:{player}", "--client-format", "demo", "--rounds", 2]
    assert desk.run("o.jsonl", *words, "--limit", 2) == 0
    first = (desk.folder / "o.jsonl").read_bytes()
    assert desk.run("o.jsonl", *words, "--limit", 2) == 0
    assert (desk.folder / "o.jsonl").read_bytes() == first
    meta = desk.lines("o.jsonl")[0]["meta"]["client"]
    assert meta["format"] == "demo" and meta["model"] == f"local:{player}"


def test_own_words_are_what_the_command_says(local_desk: Desk) -> None:
    assert local_desk.run("o.jsonl", "--limit", 1, "--rounds", 2, "--systems", "base") == 0
    (line,) = local_desk.lines("o.jsonl")
    talk = Talk(profile(line["meta"]["profile"]), "base", 2)
    assert line["messages"][0]["content"] == own_words(talk.next_turn(), 0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--pair", "none"], "no pair 'none'; known: tiny"),
        (["--systems", "base,best"], "no system 'best'; known: base"),
        (["--systems", "tuned"], "it has no adapter"),
        (["--models", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["--profiles", "nowhere.yaml"], "nowhere.yaml: cannot be read: No such file"),
        (["--out", "o.jsonl.gz"], "without .gz"),
        (["--client", "local:nowhere"], "--client-format: name the format of nowhere"),
        (["--client", "local:nowhere", "--client-format", "demo"], "no config.json in nowhere"),
        (["--client", "ä"], "--client: write the model's name"),
        (["--client", "gpt-test", "--base-url", "ftp://x"], "--base-url: write an address"),
        (
            ["--client", "gpt-test", "--base-url", "http://127.0.0.1:9/v1", "--max-cost", 1],
            "no price is noted for",
        ),
    ],
)
def test_wrong_arguments_get_one_line(
    desk: Desk, capsys: pytest.CaptureFixture[str], more: list[object], words: str
) -> None:
    before = sorted(desk.folder.rglob("*"))
    base = ["--systems", "remote:kind", "--base-url", "http://127.0.0.1:9/v1"]
    assert desk.run("o.jsonl", *base, *more) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and words in told.err
    assert told.err.startswith("eval.simulate: ")
    assert sorted(desk.folder.rglob("*")) == before


def test_a_server_that_is_not_there_and_a_wrong_key(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandInLLM(answer, lambda body, time: Behaviour(401)) as server:
        assert desk.run("o.jsonl", *SYSTEMS, "--base-url", server.url) == 2
    told = capsys.readouterr().err
    assert told == "eval.simulate: the endpoint refuses the key (401): check OPENAI_API_KEY\n"
    assert desk.told("o.jsonl", "status.json")["state"] == "failed"


def test_what_was_begun_otherwise_is_left_alone(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandInLLM(answer) as server:
        words = [*SYSTEMS, "--base-url", server.url, "--rounds", 2]
        assert desk.run("o.jsonl", *words) == 0
        before = (desk.folder / "o.jsonl").read_bytes()
        for more, line in (
            (["--seed", 5], "another seed"),
            (["--rounds", 3], "another rounds"),
            (["--systems", "remote:kind"], "another systems"),
            (["--limit", 2], "another limit"),
            (["--client", "player", *PRICES], "another client"),
        ):
            assert desk.run("o.jsonl", *words, *more) == 2
            told = capsys.readouterr().err
            assert line in told and told.count("\n") == 1
        (desk.folder / "p.jsonl").write_text("somebody else's\n")
        assert desk.run("p.jsonl", *words) == 2
        assert "exists, and nothing in" in capsys.readouterr().err
        with alone_in(desk.folder / "o.jsonl.run", "--run"):
            assert desk.run("o.jsonl", *words) == 2
        assert "another process uses it" in capsys.readouterr().err
    assert (desk.folder / "o.jsonl").read_bytes() == before
