"""``python -m eval.score`` from files to results: numbers, shape, refusals, what it leaves."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml

from eval.score import output, rounds
from eval.score.__main__ import main
from eval.score.names import METRICS, PROFILES
from mi_arena.jobs.run_directory import alone_in
from mi_arena.jobs.viewing import all_runs, view_run
from tests.eval import original_metrics as original
from tests.eval.small_predictions import record, records, write_records
from tests.processes import kill_when, start

NUMBERS = ["mean", "ci_low", "ci_high"]
CAUTION = "Likeness to a reference is not MI quality"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def called(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return called


@pytest.fixture
def scored(run: Any) -> Any:
    def called(*arguments: object) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return called


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    """Three systems of one pair, seven dialogues of unlike length; some replies are empty."""
    chance = random.Random(4)
    found = []
    for dialogue in range(7):
        for number in range(1, 2 + dialogue % 4):
            for arm in ("base", "base_prompted", "tuned"):
                line = record(f"d{dialogue}", number, arm)
                likeness = {"base": 0.1, "base_prompted": 0.3, "tuned": 0.7}[arm]
                if chance.random() < likeness:
                    line["prediction"] = line["reference"][:8] + line["prediction"]
                found.append(line)
    found[0]["prediction"] = ""
    found[9]["prediction"] = " \n"
    return found


@pytest.fixture
def predictions(tmp_path: Path, lines: list[dict[str, Any]]) -> Path:
    return write_records(tmp_path / "pred.jsonl", lines)


def group(told: dict[str, Any], arm: str | None, pair: str | None = "demo") -> dict[str, Any]:
    (found,) = [one for one in told["groups"] if (one["arm"], one["pair"]) == (arm, pair)]
    return found


def test_means_are_those_of_the_original_libraries(
    scored: Any, predictions: Path, lines: list[dict[str, Any]]
) -> None:
    told = scored(predictions, "--bootstrap", 50)
    for arm in ("base", "base_prompted", "tuned"):
        own = [(line["reference"], line["prediction"]) for line in lines if line["arm"] == arm]
        found = group(told, arm)["profiles"]
        llamafactory = [original.llamafactory(*texts) for texts in own]
        rouge = [original.standard_rouge(*texts) for texts in own]
        for metric in METRICS:
            wanted = np.mean([one[metric] for one in llamafactory])
            assert found["llamafactory"][metric]["mean"] == pytest.approx(wanted, abs=1e-9)
        for metric in METRICS[:3]:
            wanted = np.mean([one[metric] for one in rouge])
            assert found["standard"][metric]["mean"] == pytest.approx(wanted, abs=1e-9)
        references, replies = zip(*own, strict=True)
        wanted = original.standard_bleu(references, replies)
        assert found["standard"]["bleu4"]["mean"] == pytest.approx(wanted, abs=1e-9)


def test_shape(scored: Any, predictions: Path, lines: list[dict[str, Any]]) -> None:
    told = scored(predictions, "--bootstrap", 200)
    assert list(told) == ["groups", "differences", "about"]
    assert [one["arm"] for one in told["groups"]] == ["base", "base_prompted", "tuned"]
    for one in told["groups"]:
        assert one["n_rounds"] == len(lines) / 3 and one["n_dialogues"] == 7
        assert tuple(one["profiles"]) == PROFILES
        for metrics in one["profiles"].values():
            assert tuple(metrics) == METRICS
            for numbers in metrics.values():
                assert list(numbers) == NUMBERS
                assert 0 <= numbers["ci_low"] <= numbers["mean"] <= numbers["ci_high"] <= 100
        assert set(one["lengths"]) == {"characters", "words", "reference_characters"}
        assert set(one["distinct"]) == {"distinct1", "distinct2"}
        assert set(one["questions"]) == {"replies", "utterances"}
    assert [one["n_empty"] for one in told["groups"]] == [2, 0, 0]
    told_of = [(one["arm"], one["against"]) for one in told["differences"]]
    assert list(dict.fromkeys(told_of)) == [
        ("tuned", "base"), ("tuned", "base_prompted"), ("base_prompted", "base")
    ]  # fmt: skip
    for one in told["differences"]:
        assert set(one) == {
            *("pair", "arm", "against", "profile", "metric", *NUMBERS, "n_dialogues", "n_rounds")
        }
        assert (one["pair"], one["n_dialogues"]) == ("demo", 7)
    about = told["about"]
    assert CAUTION in about["caution"]
    assert about["versions"]["jieba"] == "0.42.1"
    assert about["profiles"]["standard"]["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:zh")
    assert about["bootstrap"] | {"draws": 200, "seed": 0, "unit": "dialogue"} == about["bootstrap"]


def test_differences_are_paired_over_dialogues(
    scored: Any, predictions: Path, lines: list[dict[str, Any]]
) -> None:
    """Against a plain loop that draws dialogues and scores their rounds anew."""
    told = scored(predictions, "--bootstrap", 60, "--seed", 7)
    by_dialogue: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for line in sorted(lines, key=lambda one: one["dialogue_id"]):
        arms = by_dialogue.setdefault(line["dialogue_id"], {})
        arms.setdefault(line["arm"], []).append((line["reference"], line["prediction"]))
    dialogues = list(by_dialogue.values())

    def scores(drawn: list[int], arm: str) -> tuple[float, float]:
        own = [texts for index in drawn for texts in dialogues[index][arm]]
        rouge = float(np.mean([original.llamafactory(*texts)["rougeL"] for texts in own]))
        return rouge, original.standard_bleu(*zip(*own, strict=True))

    generator = np.random.default_rng(7)
    draws = [list(range(7)), *generator.integers(7, size=(60, 7)).tolist()]
    found = {(one["profile"], one["metric"], one["arm"], one["against"]): one
             for one in told["differences"]}  # fmt: skip
    for arm, against in (("tuned", "base"), ("base_prompted", "base")):
        changes = np.array([np.subtract(scores(d, arm), scores(d, against)) for d in draws])
        for place, name in enumerate([("llamafactory", "rougeL"), ("standard", "bleu4")]):
            one = found[(*name, arm, against)]
            low, high = np.quantile(changes[1:, place], [0.025, 0.975])
            wanted = [changes[0, place], low, high]
            assert [one[number] for number in NUMBERS] == pytest.approx(wanted, abs=1e-9)


def test_the_order_of_lines_and_files_changes_nothing(
    scored: Any, predictions: Path, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    wanted = scored(predictions, "--bootstrap", 40)
    random.Random(1).shuffle(lines)
    one = write_records(tmp_path / "one.jsonl", lines[:11])
    other = write_records(tmp_path / "other.jsonl", lines[11:])
    found = scored(other, one, "--bootstrap", 40)
    assert found["groups"] == wanted["groups"]
    assert found["differences"] == wanted["differences"]


def test_one_system_alone_and_remote_ones(scored: Any, tmp_path: Path) -> None:
    told = scored(write_records(tmp_path / "p.jsonl", records(arms=["remote:gpt-4o"])))
    assert [one["arm"] for one in told["groups"]] == ["remote:gpt-4o"]
    assert told["differences"] == []


def test_groups_over_pairs_and_over_arms(scored: Any, tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "p.jsonl",
        [*records(4, 2, pair="one"), *records(3, 2, ("tuned",), pair="two")],
    )
    counts = {
        by: [
            (one["pair"], one["arm"], one["n_rounds"], one["n_dialogues"])
            for one in scored(path, "--by", by, "--bootstrap", 10)["groups"]
        ]
        for by in ("pair,arm", "arm", "pair")
    }
    assert counts == {
        "pair,arm": [("one", "base", 8, 4), ("one", "tuned", 8, 4), ("two", "tuned", 6, 3)],
        "arm": [(None, "base", 8, 4), (None, "tuned", 14, 4)],
        "pair": [("one", None, 16, 4), ("two", None, 6, 3)],
    }
    told = scored(path, "--by", "arm", "--bootstrap", 10)
    assert {one["pair"] for one in told["differences"]} == {"one"}
    whole = scored(path, "--bootstrap", 10)
    assert told["differences"] == whole["differences"]
    tuned = [
        group(whole, "tuned", pair)["profiles"]["standard"]["rouge1"] for pair in ("one", "two")
    ]
    pooled = group(told, "tuned", None)["profiles"]["standard"]["rouge1"]["mean"]
    assert pooled == pytest.approx((8 * tuned[0]["mean"] + 6 * tuned[1]["mean"]) / 14)


def test_what_is_undefined_says_why(scored: Any, tmp_path: Path) -> None:
    """All replies empty; one dialogue alone; no bootstrap."""
    silent = write_records(tmp_path / "s.jsonl", records(3, arms=["base"], prediction=""))
    (found,) = scored(silent)["groups"]
    assert found["n_empty"] == found["n_rounds"] == 6
    for metrics in found["profiles"].values():
        for one in metrics.values():
            assert (one["mean"], one["ci_low"]) == (0, None)
            assert "same value" in one["reason"]
    assert found["distinct"]["distinct2"] == {
        **dict.fromkeys(NUMBERS), "reason": "no reply has 2 words or more"
    }  # fmt: skip
    assert found["questions"]["utterances"]["reason"] == "there is no utterance"
    assert found["questions"]["replies"]["mean"] == 0

    alone = write_records(tmp_path / "a.jsonl", records(1, 3))
    told = scored(alone)
    for one in (group(told, "base")["profiles"]["standard"]["rouge1"], told["differences"][0]):
        assert one["mean"] is not None and one["ci_low"] is None
        assert "needs two dialogues" in one["reason"]

    several = write_records(tmp_path / "n.jsonl", records(3))
    one = group(scored(several, "--bootstrap", 0), "base")["profiles"]["llamafactory"]["bleu4"]
    assert "none was asked for" in one["reason"]


def test_descriptions(scored: Any, tmp_path: Path) -> None:
    replies = ["你好吗？你 好。", "好吗？”", "", "看 x.y?a=1 吧。"]
    lines = [record(f"d{n}", prediction=reply) for n, reply in enumerate(replies)]
    (found,) = scored(write_records(tmp_path / "p.jsonl", lines))["groups"]
    assert found["n_empty"] == 1
    assert found["lengths"]["characters"]["mean"] == (7 + 4 + 0 + 10) / 4
    assert found["questions"]["replies"]["mean"] == 50
    assert found["questions"]["utterances"]["mean"] == 50
    words = [["你好", "吗", "？", "你", "好", "。"], ["好", "吗", "？", "”"], []]
    one = [line for line in lines if line["dialogue_id"] != "d3"]
    (found,) = scored(write_records(tmp_path / "q.jsonl", one))["groups"]
    assert found["lengths"]["words"]["mean"] == pytest.approx(sum(map(len, words)) / 3)
    assert found["distinct"]["distinct1"]["mean"] == pytest.approx(100 * 7 / 10)
    assert found["distinct"]["distinct2"]["mean"] == pytest.approx(100 * 7 / 8)


def test_every_table_says_how_it_was_made(run: Any, predictions: Path) -> None:
    code, out, _ = run(predictions, "--bootstrap", 30)
    assert code == 0
    tables = out.split("\n## ")[1:]
    assert [table.split(":")[0].split("\n")[0] for table in tables] == [
        "Profile llamafactory", "Profile standard", "What the replies are like"
    ]  # fmt: skip
    parts = [part for table in tables for part in table.split("\n### ")]
    assert len(parts) == 5
    for part in parts:
        for said in (CAUTION, "jieba 0.42.1", "30 draws, seed 0", "rounds | dialogues"):
            assert said in part
    for part in parts[:4]:
        assert "Tokenizer: " in part and "Profile " in part
    assert "signature nrefs:1|case:mixed|eff:no|tok:zh" in parts[2]


def test_one_profile_alone(scored: Any, run: Any, predictions: Path) -> None:
    for name in ("llamafactory", "standard"):
        told = scored(predictions, "--profiles", name, "--bootstrap", 20)
        assert list(told["groups"][0]["profiles"]) == [name]
        assert {one["profile"] for one in told["differences"]} == {name}
        both = group(scored(predictions, "--bootstrap", 20), "tuned")["profiles"][name]
        assert group(told, "tuned")["profiles"][name] == both
    assert "Profile standard" not in run(predictions, "--profiles", "llamafactory")[1]


def test_a_run_directory(run: Any, predictions: Path, tmp_path: Path, lines: list[Any]) -> None:
    out = tmp_path / "runs" / "score"
    code, told, _ = run(predictions, "--json", "--bootstrap", 25, "--out", out)
    assert code == 0
    assert json.loads((out / "scores.json").read_text(encoding="utf-8")) == json.loads(told)
    assert (out / "scores.md").read_text(encoding="utf-8") == run(predictions, "--bootstrap", 25)[1]
    assert yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8")) == {
        "script": "eval.score",
        "predictions": [str(predictions)],
        "by": ["arm", "pair"],
        "bootstrap": 25,
        "seed": 0,
        "profiles": ["llamafactory", "standard"],
    }
    (view,) = all_runs(tmp_path / "runs")
    assert (view.state, view.step, view.total, view.error) == ("done", 48, 48, None)

    found = [json.loads(line) for line in (out / "rounds.jsonl").open(encoding="utf-8")]
    assert [(one["dialogue_id"], one["round"], one["arm"], one["pair"]) for one in found] == [
        (one["dialogue_id"], one["round"], one["arm"], one["pair"]) for one in lines
    ]
    texts = lines[-1]["reference"], lines[-1]["prediction"]
    profiles = found[-1]["profiles"]
    assert profiles["llamafactory"] == pytest.approx(original.llamafactory(*texts), abs=1e-9)
    sentence = {"sentence_bleu4": original.standard_sentence_bleu(*texts)}
    wanted = original.standard_rouge(*texts) | sentence
    assert profiles["standard"] == pytest.approx(wanted, abs=1e-9)
    assert lines[-1]["prediction"] not in (out / "rounds.jsonl").read_text(encoding="utf-8")

    rows = list(csv.DictReader((out / "scores.csv").open(encoding="utf-8")))
    assert len(rows) == 3 * (8 + 7) + 3 * 8
    assert all(CAUTION in row["caution"] and "25 draws" in row["interval"] for row in rows)
    first = json.loads(told)["groups"][0]["profiles"]["llamafactory"]["rouge1"]
    assert {name: float(rows[0][name]) for name in NUMBERS} == first
    for row in rows:
        assert row["reason"] or row["ci_low"]


def test_another_scripts_run_is_not_written_over(
    run: Any, predictions: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text("script: eval.respond\n", encoding="utf-8")
    code, out, err = run(predictions, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"eval.score: --out {tmp_path}: holds the run of another script")
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "script: eval.respond\n"
    assert not (tmp_path / "status.json").exists()


def test_two_at_a_time_in_one_folder(run: Any, predictions: Path, tmp_path: Path) -> None:
    with alone_in(tmp_path / "out", "--out"):
        code, _, err = run(predictions, "--out", tmp_path / "out")
    assert code == 2 and "another process uses it" in err


REFUSED = {
    "bad line": ([record(), "{"], 2),
    "twice": ([record(), record(round=2), record()], 3),
    "missing round": ([record(), record(round=3)], 2),
    "out of step": ([record(), record(arm="tuned"), record("d2", arm="tuned")], 3),
    "other reference": ([record(), record(arm="tuned", reference="别的。")], 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_line_and_nothing_written(run: Any, tmp_path: Path, name: str) -> None:
    lines, number = REFUSED[name]
    path = write_records(tmp_path / "p.jsonl", lines)
    code, out, err = run(path, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.startswith(f"eval.score: {path}:{number}: ")
    assert err.count("\n") == 1 and "慢慢来" not in err
    assert not (tmp_path / "out").exists()


def test_refused_before_any_line(run: Any, tmp_path: Path) -> None:
    empty = write_records(tmp_path / "p.jsonl", ["", ""])
    assert run(empty)[0::2] == (2, f"eval.score: {empty}: holds no prediction; one round a line is "
                                   "wanted\n")  # fmt: skip
    assert "no such file" in run(tmp_path / "none.jsonl")[2]
    for arguments in (
        ("--by", "epoch"), ("--by", "arm,arm"), ("--by", ""), ("--profiles", "rouge"),
        ("--bootstrap", "-1"), ("--seed", "x"),
    ):  # fmt: skip
        code, _, err = run(empty, *arguments)
        assert code == 2 and arguments[0] in err


def test_a_full_disk_leaves_earlier_results(
    run: Any, predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(predictions, "--out", out, "--bootstrap", 5)[0] == 0
    before = (out / "scores.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "write_atomically", full)
    code, _, err = run(predictions, "--out", out, "--bootstrap", 9)
    assert code == 2 and "No space left" in err
    assert (out / "scores.json").read_bytes() == before
    assert json.loads((out / "status.json").read_text(encoding="utf-8"))["state"] == "failed"


def test_a_fault_of_ours_quotes_nobody(
    run: Any, predictions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(texts: list[tuple[str, str]], _: object) -> None:
        raise ValueError(texts[-1][0])

    monkeypatch.setattr(rounds, "score_together", broken)
    code, out, err = run(predictions)
    assert (code, out) == (1, "")
    assert "ValueError" in err and "慢慢来" not in err


def test_stopped_in_the_middle(
    run: Any, predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rounds, "score_together", interrupted)
    code, out, err = run(predictions, "--out", tmp_path / "out")
    assert (code, out) == (3, "")
    assert err == "eval.score: stopped; the same command does it from the start\n"
    (view,) = all_runs(tmp_path)
    assert view.state == "stopped"
    assert not (tmp_path / "out" / "scores.json").exists()


def test_processes_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [("你愿意说说吗？" * (n % 5), "你愿意" * (n % 7) + f"说{n}") for n in range(40)]
    plain = rounds.score_together(texts, PROFILES)
    monkeypatch.setattr(rounds, "WORTH_PROCESSES", 40)
    monkeypatch.setattr(rounds, "TOGETHER", 7)
    told: list[int] = []
    assert rounds.score_rounds(texts, PROFILES, told.append) == plain
    assert sorted(told) == [5, 7, 7, 7, 7, 7]


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """Killed without warning, and with rounds enough for several processes."""
    lines = [record("d", number, prediction=f"{number}好" * 200) for number in range(1, 3_001)]
    out = tmp_path / "out"
    process = start("eval.score", write_records(tmp_path / "p.jsonl", lines), "--out", out)
    children: list[psutil.Process] = []

    def busy() -> bool:
        children[:] = psutil.Process(process.pid).children(recursive=True)
        status = view_run(tmp_path, out)
        return status is not None and status.step > 0

    kill_when(process, busy)
    assert children
    assert psutil.wait_procs(children, timeout=60)[1] == []
