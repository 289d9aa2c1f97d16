"""The report by one command: from replies on, from predictions, and from a study's record."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from eval.report.command import main
from eval.respond import local
from mi_arena.records.battle_events import BattleStarted, EpochClosed, EpochOpened, Judgement
from mi_arena.records.events import Event
from mi_arena.records.payloads import Payload, Role
from mi_arena.records.store import DATABASE_NAME, EventStore
from tests.conftest import make_pair
from tests.eval.responding import Desk
from tests.eval.small_predictions import records, write_records
from tests.small_dialogues import made_up

pytestmark = pytest.mark.usefixtures("one_thread")

GLOBALS = {"CCT": 4, "SST": 3, "PARTNERSHIP": 4, "EMPATHY": 3}


def run(folder: Path, *words: object) -> int:
    return main(["--out", str(folder / "out"), "--bootstrap", "50", *map(str, words)])


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return found


def state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "status.json").read_text())
    return found


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    arms = ("base", "base_prompted", "tuned")
    return write_records(tmp_path / "p.jsonl", records(4, 2, arms))


@pytest.fixture
def desk(tmp_path: Path, pair_folders: tuple[Path, Path]) -> Desk:
    return Desk(tmp_path, make_pair(*pair_folders), made_up(3))


class Page(HTMLParser):
    """Tags that are open, and everything that a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)
        assert tag not in ("script", "link", "iframe")
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_from_predictions(tmp_path: Path, predictions: Path, lang: str) -> None:
    assert run(tmp_path, "--predictions", predictions, "--lang", lang) == 0
    found, out = report(tmp_path), tmp_path / "out"
    assert state(tmp_path)["state"] == "done"
    assert len(found["text_metrics"]["groups"]) == 3
    glance = found["glance"]["lines"]
    assert [one["systems"] for one in glance[::2]][:3] == [
        "tuned − base", "tuned − base_prompted", "base_prompted − base",
    ]  # fmt: skip
    by_hand = next(
        one for one in found["text_metrics"]["differences"]
        if (one["arm"], one["against"], one["metric"]) == ("tuned", "base", "rougeL")
        and one["profile"] == "standard"
    )  # fmt: skip
    assert (glance[0]["mean"], glance[0]["low"]) == (by_hand["mean"], by_hand["ci_low"])
    assert {one["arm"] for one in found["length_control"]["results"]} == {"tuned", "base_prompted"}
    for name in ("miti_judge", "miti_people", "preferences", "agreement", "simulated"):
        assert found[name]["value"] is None and found[name]["reason"]
    assert all((out / name).is_file() for name in found["files"])
    assert "plots/differences_demo_standard.png" in found["files"]
    html = (out / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.open == []
    assert all(one.startswith(("data:image/png;base64,", "#")) for one in page.loads)
    assert "url(" not in html and "@import" not in html
    assert ("文本指标" in html) == (lang == "zh")
    markdown = (out / "report.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\((.*?)\)", markdown):
        assert (out / name).is_file()
    for text in (html, markdown, (out / "report.json").read_text()):
        assert str(tmp_path) not in text and "你愿意说说吗" not in text


def test_what_is_given_is_not_made_again(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--pair", desk.pair.id, "--models", desk.models, "--data", desk.data]
    given += ["--systems", "base,tuned"]
    monkeypatch.setattr(local, "answer", lambda *_: pytest.fail("a reply was made"))
    lines = records(2, 2, ("tuned",), pair=desk.pair.id)
    predictions = write_records(desk.folder / "p.jsonl", lines)
    assert run(desk.folder, *given, "--predictions", predictions) == 2
    said = capsys.readouterr().err
    assert "p.jsonl:1: holds replies of tuned" in said and said.count("\n") == 1
    assert not (desk.folder / "out").exists()


def test_rounds_side_by_side(tmp_path: Path, predictions: Path) -> None:
    assert run(tmp_path, "--predictions", predictions, "--examples", 2) == 0
    lines = (tmp_path / "out" / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    rounds = [json.loads(line) for line in lines]
    assert [(one["dialogue_id"], one["round"]) for one in rounds] == [
        (f"d{dialogue}", number) for dialogue in (1, 2, 3, 4) for number in (1, 2)
    ]
    one = rounds[0]
    assert set(one["replies"]) == {"base", "base_prompted", "tuned"}
    name = "standard.rougeL"
    by_hand = one["scores"]["tuned"][name] - one["scores"]["base"][name]
    assert one["differences"]["tuned-base"][name] == by_hand
    assert one["client_characters"] is None
    with (tmp_path / "out" / "rounds.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0][f"tuned-base.{name}"]) == by_hand and len(rows) == 8
    examples = report(tmp_path)["examples"]["rounds"]
    assert len(examples) == 2 and examples[0]["reference"]


def test_replies_first_and_resumed_after_a_stop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--pair", desk.pair.id, "--models", desk.models, "--data", desk.data]
    given += ["--systems", "base,tuned"]  # the MI prompt is longer than this pair's context

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("eval.report.stages._scored", stopped)
        assert run(desk.folder, *given) == 3
    assert capsys.readouterr().err.endswith("the same command goes on from here\n")
    replied = (desk.folder / "out" / "predictions" / "tiny.jsonl").read_text().splitlines()
    assert state(desk.folder)["state"] == "stopped"
    assert state(desk.folder)["step"] == len(replied) == state(desk.folder)["total"] - 3
    assert not (desk.folder / "out" / "report.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(local, "answer", stopped)  # nothing is left to answer
        assert run(desk.folder, *given) == 0
    found = report(desk.folder)
    (pair,) = found["settings"]["pairs"]
    assert pair["entry"]["id"] == "tiny" and pair["respond"]["mi_prompt_version"]
    assert pair["adapter_training"]["reason"]
    data = found["settings"]["inputs"][0]
    assert (data["name"], data["of"]) == ("test.jsonl", "rounds") and len(data["sha256"]) == 64
    assert [one["arm"] for one in found["text_metrics"]["groups"]] == ["base", "tuned"]
    replies = found["costs"]["stages"][0]
    assert replies["tokens"] > 0 and replies["usd"] is None and "no price" in replies["reason"]
    rounds = (desk.folder / "out" / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line)["client_characters"] > 0 for line in rounds)
    assert str(desk.folder) not in (desk.folder / "out" / "report.json").read_text()


def study(folder: Path, closed: bool) -> Path:
    """25 judgements by the public and 3 by experts in one epoch; a public one too fast to count."""
    store = EventStore(folder / DATABASE_NAME)
    begun = datetime(2026, 5, 1, tzinfo=UTC)

    def append(payload: Payload, rater: str | None, role: Role) -> None:
        event = Event.of(payload, role=role, epoch="demo-1", rater=rater)
        # A minute from each to the next, but for the last.
        at = begun + timedelta(minutes=store.count() if rater != "fast" else 1_000)
        store.append(event.model_copy(update={"created_at": at}))

    served: dict[str, Any] = {"pair": "demo", "fingerprint": "a" * 64, "served": {}}
    opened = EpochOpened(**served, nonce="00" * 8, seed_commitment="b" * 64)
    append(opened, None, "admin")
    for number in range(29):
        role: Role = "expert" if 25 <= number < 28 else "public"
        rater = f"r{number}" if number < 28 else "fast"
        battle = {"battle": f"b{number}", "token_hash": "t", "pair": "demo", "topic": "diet"}
        battle |= {"lang": "zh", "allocation_index": number, "tuned_side": "A"}
        append(BattleStarted.model_validate(battle), rater, role)
        verdict = {"battle": f"b{number}", "overall": "B" if number % 5 else "A", "guess": None}
        verdict |= {"rounds": 2, "ordinal": 1, "form_version": "1", "receipt_hash": "r"}
        append(Judgement.model_validate(verdict), rater, role)
    if closed:
        append(EpochClosed(reason="admin"), None, "admin")
    store.close()
    return folder


@pytest.mark.parametrize(
    ("closed", "why"), [(False, "the epoch is open"), (True, "fewer than 20 judgements")]
)
def test_the_study_by_groups_of_raters(tmp_path: Path, closed: bool, why: str) -> None:
    assert run(tmp_path, "--study", study(tmp_path, closed)) == 0
    found = report(tmp_path)["preferences"]
    (public,), (expert,) = found["public"], found["expert"]
    share = public["shares"]["tuned_wins_first"]
    assert (share["value"], share["n"]) == (0.2, 25) and share["low"] < 0.2 < share["high"]
    assert (public["excluded"], expert["excluded"]) == ({"too_fast": 1}, {})
    for one in expert["shares"].values():
        assert one["value"] is None and why in one["reason"]
    files = report(tmp_path)["files"]
    assert [name for name in files if "preferences_" in name] == [
        "plots/preferences_public_demo-1.png"
    ]
    assert "tables/preferences.csv" in files
    of_public, of_experts = report(tmp_path)["glance"]["lines"]
    assert (of_public["mean"], of_public["verdict"]) == (0.2, "below")
    assert of_experts["mean"] is None and of_experts["verdict"] == "untold"


def coding(name: str, system: str, match: str, **coder: Any) -> dict[str, Any]:
    judge = {"kind": "judge", "model": "m1", "prompt_version": "zh-1", "prompt_sha256": "f" * 64}
    return {
        "id": name,
        "lang": "zh",
        "change_goal": "少喝酒",
        "globals": GLOBALS,
        "volleys": [
            {"utterances": [{"text": "你很累。", "code": "SR" if system == "base" else "CR"}]}
        ],
        "coder": judge | coder,
        "meta": {"system": system, "pair": "demo", "match_id": match},
    }


def test_a_judge_carries_its_warning_until_people_checked_it(tmp_path: Path) -> None:
    lines = [coding(f"{arm}{n}", arm, f"m{n}") for n in (1, 2) for arm in ("base", "tuned")]
    lines.append(coding("x", "base", "m9", model="m2", cost_usd=0.5))
    codings = write_records(tmp_path / "c.jsonl", lines)
    judge = {"model": "m1", "prompt_version": "zh-1", "prompt_sha256": "f" * 64}
    held = {"judge": judge | {"parameters": {}, "lang": "zh"}, "lang": "zh", "n_dialogues": 30}
    held |= {"n_utterances": 300, "kappa": 0.7, "kappa_low": 0.6, "kappa_high": 0.8}
    record = tmp_path / "validation.json"
    for against, validated in (("model", False), ("human", True)):
        record.write_text(json.dumps({"results": [held | {"against": against}]}))
        assert run(tmp_path, "--codings", codings, "--validation", record) == 0
        first, second = report(tmp_path)["miti_judge"]["judges"]
        assert (first["validated"], second["validated"]) == (validated, False)
        (group,) = first["groups"]
        assert [one["system"] for one in group["systems"]] == ["base", "tuned"]
        html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        # Beside the judge's name and under each of its tables.
        assert html.count("m2（提示词 zh-1）给出，没有与人工编码比对过") >= 2
        assert ("m1（提示词 zh-1）给出，只与模型写的编码比对过" in html) != validated
        assert ("m1（提示词 zh-1）给出，已与人工编码比对" in html) == validated


def test_simulated_talks(tmp_path: Path) -> None:
    change = {"mean": 1.5, "low": None, "high": None, "n": 1, "method": "m", "reason": "only one"}
    system = {"n": 1, "ended": {"rounds": 1}, "rounds": 8, "readiness_start": 3.0}
    system |= {"readiness_end": 4.5, "readiness_change": change, "replies_with": {"question": 2}}
    summary = {"n_clients": 1, "systems": {"base": system}, "differences": [], "caution": "Rules."}
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary))
    assert run(tmp_path, "--transcripts-summary", path) == 0
    assert report(tmp_path)["simulated"]["systems"]["base"]["readiness_change"]["mean"] == 1.5
    assert "1.50 (1)" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "nothing to report on"),
        (["--pair", "demo"], "with --data"),
        (["--pair", "none", "--data", "x"], "no pair 'none'"),
        (["--predictions", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["--study", "nowhere"], "name the app's data folder"),
        (["--codings", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["--validation", "v.json", "--study", "x"], "--codings are missing"),
        (["--transcripts-summary", "nowhere.json"], "nowhere.json: no such file"),
    ],
)
def test_bad_input_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert run(tmp_path, *words) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("eval.report: ") and told in said.err
    assert not (tmp_path / "out").exists()


def test_bad_lines_and_other_folders(
    tmp_path: Path, predictions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codings = write_records(tmp_path / "c.jsonl", [coding("a", "base", "m1", kind="human")])
    assert run(tmp_path, "--codings", codings) == 2
    assert "c.jsonl:1: coder: is no judge" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.yaml").write_text("script: eval.score\n")
    assert run(tmp_path, "--predictions", predictions) == 2
    assert "run of another script" in capsys.readouterr().err


def test_a_later_report_leaves_no_tables_of_an_earlier_one(
    tmp_path: Path, predictions: Path
) -> None:
    assert run(tmp_path, "--predictions", predictions, "--json") == 0
    lone = write_records(tmp_path / "p.jsonl", records(4, 2, ("base",)))
    assert run(tmp_path, "--predictions", lone) == 0
    assert report(tmp_path)["length_control"]["value"] is None
    tables = {path.name for path in (tmp_path / "out" / "tables").iterdir()}
    assert tables == {"text_metrics.csv", "costs.csv"}
