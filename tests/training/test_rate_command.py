"""The whole command over a stand-in judge: outputs, going on, killing, limits, bad inputs."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from matplotlib.image import imread

from mi_arena.dialogue import read_dialogues
from tests.llm.stand_in_llm import GOOD, Behaviour, StandInLLM
from tests.processes import kill_when, start
from tests.small_dialogues import made_up, write
from tests.training.rate_stand_in import corpora, judged, rating, scores_of
from training.rate.command import main
from training.rate.judge import question
from training.rate.rubric import DIMENSIONS
from training.rate.sampling import kept_sample

KEY = "sk-test-0123456789"
NAMES = [one.name for one in DIMENSIONS]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def rate(*arguments: object) -> int:
    return main([str(one) for one in arguments])


def asking(server: StandInLLM) -> list[str]:
    return ["--model", "gpt-test", "--base-url", server.url, "--price-in", "2", "--price-out", "8"]


def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def table(out: Path, name: str = "ratings.csv") -> list[dict[str, str]]:
    text = (out / name).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def fill(out: Path, path: Path, give: dict[str, list[int]]) -> Path:
    """The sheet filled in for some blind ids, as Excel in Germany or China would save it."""
    text = (out / "for_raters.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    for row in rows[1:]:
        if row[0] in give:
            row[3:7] = [str(score) for score in give[row[0]]]
    written = io.StringIO()
    csv.writer(written, delimiter=";").writerows(rows)
    path.write_bytes(written.getvalue().encode("gbk"))
    return path


def wanted_scores(out: Path) -> dict[str, dict[str, int]]:
    """What the stand-in judge gives each dialogue of the sample."""
    sample = kept_sample(out)
    assert sample is not None
    return {i.blind_id: scores_of(question(i).messages[1].content) for i in sample.items}


def test_the_judge_rates_and_the_best_are_chosen(tmp_path: Path) -> None:
    files, out = corpora(tmp_path), tmp_path / "run"
    with StandInLLM(judged) as server:
        assert rate(*files, "--out", out, "--sample", 6, *asking(server)) == 0
        assert len(server.arrivals) == 18
        assert {one.authorization for one in server.arrivals} == {f"Bearer {KEY}"}
    found, wanted = report(out), wanted_scores(out)
    sample = kept_sample(out)
    assert sample is not None
    assert (found["judge"]["rated"], found["complete"]) == (18, True)
    for result in found["results"]["judge"]:
        own = [wanted[item.blind_id] for item in sample.of(result["corpus"])]
        for one in DIMENSIONS:
            mean = sum(scores[one.name] for scores in own) / 6
            assert result["estimates"][one.name]["mean"] == pytest.approx(mean)
            assert result["estimates"][one.name]["n"] == 6
        totals = [sum(s[d.name] / d.most for d in DIMENSIONS) / 4 for s in own]
        total = result["estimates"]["normalised_total"]
        assert total["mean"] == pytest.approx(sum(totals) / 6)
        assert total["low"] < total["mean"] < total["high"]
    choice = json.loads((out / "choice.json").read_text(encoding="utf-8"))
    assert choice == found["choice"]
    assert choice["reason"] == "by normalised total of the judge"
    assert choice["chosen"] == [one["corpus"] for one in choice["ranking"][:2]]
    assert (choice["seed"], choice["versions"]["prompt"]) == (0, "v1")
    assert sum(one["best_share"] for one in choice["ranking"]) == pytest.approx(2)
    assert found["judge_against_people"]["safety"]["icc_a1"]["value"] is None
    assert found["judge_against_people"]["safety"]["icc_a1"]["reason"]
    assert imread(out / "ratings.png").shape[1] == 1200
    status = json.loads((out / "status.json").read_text())
    assert (status["state"], status["step"], status["total"]) == ("done", 18, 18)
    kept = [path.read_bytes() for path in out.iterdir() if path.is_file()]
    assert not any(KEY.encode() in content for content in kept)


def test_people_come_later_and_the_judge_is_not_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, out = corpora(tmp_path), tmp_path / "run"
    with StandInLLM(judged) as server:
        assert rate(*files, "--out", out, "--sample", 6, *asking(server)) == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    wanted = wanted_scores(out)
    ids = sorted(wanted)
    one = fill(out, tmp_path / "王.csv", {i: [wanted[i][n] for n in NAMES] for i in ids[:8]})
    other = fill(out, tmp_path / "li.csv", {i: [1, 2, 1, 1] for i in ids[:5]})
    capsys.readouterr()
    assert rate("--out", out, "--human", one, other, "--reason", "两位专家同意", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found == report(out)
    assert found["people"]["raters"] == {"li": 5, "王": 8}
    against = found["judge_against_people"]["professionalism"]
    assert against["n"] == 8
    bias = sum((wanted[i]["professionalism"] - 2) / 2 for i in ids[:5]) / 8
    assert against["bias"]["mean"] == pytest.approx(bias)
    assert found["among_people"]["professionalism"]["n_raters"] == 2
    assert (found["choice"]["by"], found["choice"]["reason"]) == ("judge", "两位专家同意")

    rows = table(out)
    assert len(rows) == 4 * (18 + 8 + 5)
    assert all((row["judge_score"] == "") != (row["human_score"] == "") for row in rows)
    assert {row["rater"] for row in rows if row["judge_score"]} == {"gpt-test"}
    assert (out / "ratings.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    text = (out / "report.md").read_text(encoding="utf-8")
    for words in ("## By the judge", "## By people", "王 (8)", "normalised total", "ratings.png"):
        assert words in text


def test_ratings_read_before_are_kept_and_the_last_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, out = corpora(tmp_path), tmp_path / "run"
    assert rate(*files, "--out", out, "--sample", 3, "--no-judge") == 0
    ids = sorted(wanted_scores(out))
    first = fill(out, tmp_path / "li.csv", {i: [1, 2, 1, 1] for i in ids})
    assert rate("--out", out, "--no-judge", "--human", first, "--reason", "专家") == 0
    assert report(out)["choice"]["reason"] == "专家"
    (tmp_path / "new").mkdir()
    later = fill(out, tmp_path / "new" / "li.csv", {ids[0]: [2, 4, 3, 1]})
    capsys.readouterr()
    assert rate("--out", out, "--no-judge", "--human", later) == 0
    assert f"li rated {ids[0]} more than once: li.csv, row 2 counts" in capsys.readouterr().out
    assert report(out)["people"]["raters"] == {"li": 9}
    assert "more than once" in (out / "log.txt").read_text(encoding="utf-8")
    given = [row for row in table(out) if row["blind_id"] == ids[0]]
    assert {row["human_score"] for row in given} == {"1", "2", "3", "4"}


def test_people_alone_choose_where_they_rated_all(tmp_path: Path) -> None:
    files, out = corpora(tmp_path), tmp_path / "run"
    assert rate(*files, "--out", out, "--sample", 3, "--no-judge") == 0
    assert report(out)["choice"]["chosen"] == []
    sample = kept_sample(out)
    assert sample is not None
    level = {"corpus-0": [0, 1, 0, 0], "corpus-1": [2, 4, 3, 1], "corpus-2": [1, 2, 2, 1]}
    lines = [
        {
            "rater": r,
            "dialogue": i.blind_id,
            "scores": dict(zip(NAMES, level[i.corpus], strict=True)),
        }
        for i in sample.items
        for r in ("r1", "r2")
    ]
    path = tmp_path / "page.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    assert rate("--out", out, "--no-judge", "--human", path) == 0
    found = report(out)
    assert found["choice"]["chosen"] == ["corpus-1", "corpus-2"]
    assert found["choice"]["by"] == "people"
    assert found["results"].keys() == {"people"}
    # No interval can be drawn from ratings that are all alike: it says so.
    assert found["choice"]["clear_cut"] is None
    assert "cannot be told" in found["choice"]["clear_cut_reason"]
    assert found["among_people"]["professionalism"]["icc_a1"]["value"] == pytest.approx(1)


def misbehaving(body: dict[str, Any], time: int) -> Behaviour:
    """By the question: failures of the endpoint, then answers that are no ratings."""
    kind = scores_of(body["messages"][1]["content"])["professionalism"]
    first_question = len(body["messages"]) == 2
    if time == 1 and kind == 0:
        return Behaviour(status=429, headers={"Retry-After": "0.05"})
    if time == 1 and kind == 1:
        return Behaviour(status=500)
    if kind == 2 and first_question:
        return Behaviour(text=rating(dict.fromkeys(NAMES, 9)))
    if kind == 3:
        return Behaviour(text="抱歉，我不能评分。")
    return GOOD


def test_a_misbehaving_judge(tmp_path: Path) -> None:
    files, out = corpora(tmp_path, dialogues=8), tmp_path / "run"
    with StandInLLM(judged, misbehaving) as server:
        assert rate(*files, "--out", out, "--sample", 8, *asking(server)) == 0
        paid = dict(server.charged)
        assert set(paid.values()) == {1}
        asked = len(server.arrivals)
        assert rate(*files, "--out", out, "--sample", 8, *asking(server)) == 0
        assert len(server.arrivals) == asked
    sample = kept_sample(out)
    assert sample is not None
    kinds = {i.blind_id: scores_of(question(i).messages[1].content) for i in sample.items}
    never = {i for i, scores in kinds.items() if scores["professionalism"] == 3}
    assert never
    found = report(out)
    assert set(found["judge"]["missing"]) == never
    assert all("in 3 answers" in why for why in found["judge"]["missing"].values())
    missing = [row for row in table(out) if row["judge_score"] == "" == row["human_score"]]
    assert {row["blind_id"] for row in missing} == never
    assert all(row["remark"].startswith("missing: no usable rating") for row in missing)
    assert sum(r["estimates"]["safety"]["n"] for r in found["results"]["judge"]) == 24 - len(never)
    judged_lines = (out / "judge.jsonl").read_text(encoding="utf-8").splitlines()
    tries = {one["blind_id"]: one["tries"] for one in map(json.loads, judged_lines)}
    assert {tries[i] for i, s in kinds.items() if s["professionalism"] == 2} <= {2}


def test_killed_and_taken_up_again_pays_nothing_twice(tmp_path: Path) -> None:
    files, out = corpora(tmp_path, dialogues=10), tmp_path / "run"
    gate = threading.Event()

    def plan(body: dict[str, Any], time: int) -> Behaviour:
        return Behaviour(gate=gate) if len(server.arrivals) >= 12 and not gate.is_set() else GOOD

    server = StandInLLM(judged, plan)
    with server:
        arguments = [*files, "--out", out, "--sample", 10, *asking(server)]
        process = start("training.rate", *arguments)
        kill_when(process, lambda: len(server.arrivals) >= 14)
        gate.set()
        lines = (out / "judge.jsonl").read_text(encoding="utf-8").splitlines()
        assert 0 < len(lines) < 30
        assert json.loads((out / "status.json").read_text())["state"] == "running"
        assert rate(*arguments) == 0
        # Those in flight at the kill came twice, with the same Idempotency-Key.
        assert set(server.charged.values()) == {1}
        assert len(server.charged) == 30
    assert report(out)["judge"]["rated"] == 30


def test_a_stopped_run_ends_well(tmp_path: Path) -> None:
    files, out = corpora(tmp_path, dialogues=10), tmp_path / "run"
    gate = threading.Event()
    with StandInLLM(judged, lambda body, time: Behaviour(gate=gate)) as server:
        process = start("training.rate", *files, "--out", out, "--sample", 10, *asking(server))
        assert server.wait_for(4, timeout=120)
        process.terminate()
        gate.set()
        _, error = process.communicate(timeout=120)
        assert process.returncode == 3
        assert "stopped by SIGTERM; the same command goes on from here" in error
        assert json.loads((out / "status.json").read_text())["state"] == "stopped"
        # What was in flight is paid for and kept.
        assert len((out / "judge.jsonl").read_text(encoding="utf-8").splitlines()) == 4
        assert report(out)["complete"] is False


def test_max_cost_stops_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, out = corpora(tmp_path), tmp_path / "run"
    with StandInLLM(judged) as server:
        arguments = [*files, "--out", out, "--sample", 6, *asking(server), "--concurrency", 1]
        assert rate(*arguments, "--max-cost", 0.04) == 3
        error = capsys.readouterr().err.strip()
        assert len(error.splitlines()) == 1
        assert "stopped by --max-cost 0.04" in error
        assert 0 < len(server.arrivals) < 18
        found = report(out)
        assert found["complete"] is False
        assert found["choice"]["chosen"] == []
        assert "stopped by --max-cost" in found["choice"]["reason"]
        assert "Not complete" in (out / "report.md").read_text(encoding="utf-8")
        assert json.loads((out / "status.json").read_text())["state"] == "stopped"
        # Without the judge nothing more is asked, and still nothing is chosen.
        assert rate("--out", out, "--no-judge") == 0
        assert "was not asked about" in report(out)["choice"]["reason"]
        assert rate(*arguments) == 0
        assert set(server.charged.values()) == {1}
    assert report(out)["complete"] is True
    assert report(out)["judge"]["cost_usd"] == pytest.approx(18 * 0.006)


def test_two_samples_share_their_answers_and_count_their_own_cost(tmp_path: Path) -> None:
    files, store = corpora(tmp_path, number=1), tmp_path / "shared.sqlite"
    with StandInLLM(judged, honours_keys=False) as server:
        for number, limit in ((0, 1), (1, 0.04)):
            arguments = [*files, "--out", tmp_path / f"run{number}", "--answers", store]
            sizes = ["--sample", 6 * (number + 1), "--max-cost", limit]
            assert rate(*arguments, *sizes, *asking(server)) == 0
            assert report(tmp_path / f"run{number}")["judge"]["rated"] == 6 * (number + 1)
        # All of the corpus is in the second sample, the first one's half of it answered.
        assert len(server.charged) == 12 and set(server.charged.values()) == {1}
    last = (tmp_path / "run1" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["cost_usd"] == pytest.approx(6 * 0.006)
    assert not (tmp_path / "run1" / "answers.sqlite").exists()


def test_another_judge_after_failures_needs_a_price_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, out = corpora(tmp_path, number=1), tmp_path / "run"
    bad = "绝不能进日志的话"
    with StandInLLM(lambda body: rating({name: bad for name in NAMES})) as server:
        arguments = [*files, "--out", out, "--sample", 3, *asking(server)]
        assert rate(*arguments) == 0
        asked = len(server.arrivals)
        for name in ("log.txt", "status.json", "metrics.jsonl"):
            text = (out / name).read_text(encoding="utf-8")
            assert bad[:4] not in text and json.dumps(bad)[1:9] not in text
        assert "safety.score is out of range" in (out / "log.txt").read_text(encoding="utf-8")
        other = ["--model", "gpt-9", "--base-url", server.url, "--max-cost", 1]
        assert rate("--out", out, *other) == 2
        told = capsys.readouterr().err
        assert "--max-cost: no price is noted" in told and told.count("\n") == 1
        assert len(server.arrivals) == asked


def test_a_dry_run_asks_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    files, out = corpora(tmp_path), tmp_path / "run"
    assert rate(*files, "--out", out, "--sample", 6, "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["dialogues"], found["requests"], found["answered_before"]) == (18, 18, 0)
    assert found["cost_usd"] > 0
    assert not out.exists()
    assert rate(*files, "--out", out, "--sample", 6, "--dry-run") == 0
    assert "18 dialogues, answered before: 0, to ask: 18" in capsys.readouterr().out


def test_a_sheet_filled_in_place_is_not_written_over(tmp_path: Path) -> None:
    files, out = corpora(tmp_path, number=1), tmp_path / "run"
    assert rate(*files, "--out", out, "--sample", 3, "--no-judge") == 0
    sample = kept_sample(out)
    assert sample is not None
    sheet = fill(out, out / "for_raters.csv", {sample.items[0].blind_id: [1, 1, 1, 1]})
    before = sheet.read_bytes()
    assert rate("--out", out, "--no-judge", "--human", sheet) == 0
    assert sheet.read_bytes() == before
    assert report(out)["people"]["raters"] == {"for_raters": 1}
    assert "评分标准" in (out / "for_raters.md").read_text(encoding="utf-8")


def test_chinese_names_and_markup_in_names(tmp_path: Path) -> None:
    sources = ("心理|咨询", "=SUM(1)", "a_b*c")
    files = [
        write(tmp_path / f"{n}.jsonl", made_up(3, seed=n, source=source))
        for n, source in enumerate(sources)
    ]
    out = tmp_path / "run"
    with StandInLLM(judged) as server:
        assert rate(*files, "--out", out, "--sample", 3, *asking(server)) == 0
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "心理\\|咨询" in text
    assert {row["corpus"] for row in table(out)} == {"心理|咨询", "'=SUM(1)", "a_b*c"}
    assert [d.source for d in read_dialogues(out / "sample.jsonl")].count("=SUM(1)") == 3
    assert yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))["sample"] == 3


def test_bad_inputs_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, out = corpora(tmp_path), tmp_path / "run"
    assert rate(*files, "--out", out, "--sample", 4, "--no-judge") == 0
    new, first = tmp_path / "new", files[0]
    (tmp_path / "bad.csv").write_text("blind_id\n1\n")
    other = write(tmp_path / "other.jsonl", made_up(9, seed=77))
    judge = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
    cases: list[tuple[list[object], str]] = [
        (["--out", new], "holds no sample yet"),
        ([tmp_path / "no.jsonl", "--out", new], "no such file"),
        ([first, "--out", new, "--sample", 13], "has 12 dialogues, fewer than the 13 to draw"),
        ([first, first, "--out", new, "--sample", 3], "two corpora would both be called 'c0'"),
        ([first, "--out", first], "is a file"),
        (["--out", out, "--seed", 1], "--seed 1"),
        (["--out", out, "--sample", 5], "--sample 5"),
        ([*files[:2], other, "--out", out], "was not drawn from this file"),
        ([*files[:2], "--out", out], "has corpus-2 too"),
        (["--out", out, "--choose", 4], "--choose 4: there are 3 corpora"),
        (["--out", out, "--no-judge", "--human", tmp_path / "bad.csv"], "bad.csv: has no column"),
        (["--out", out, "--no-judge", "--human", tmp_path / "none.csv"], "no such file"),
        (["--out", out, "--model", "unknown", "--max-cost", 1], "no price is noted"),
        (["--out", out, *judge, "--price-in", 1], "--price-in and --price-out"),
        (["--out", out, "--base-url", "ftp://x"], "--base-url"),
    ]
    for arguments, words in cases:
        capsys.readouterr()
        assert rate(*arguments) == 2, arguments
        error = capsys.readouterr().err.strip()
        assert words in error
        assert len(error.splitlines()) == 1
        assert error.startswith("training.rate: ")
    assert not new.exists()
    for wrong in (["--sample", "0"], ["--max-cost", "-1"], ["--seed", "x"]):
        with pytest.raises(SystemExit) as exit_:
            rate(first, "--out", new, *wrong)
        assert exit_.value.code == 2


def test_no_key_another_judge_and_a_changed_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, out = corpora(tmp_path, number=2), tmp_path / "run"
    arguments = [*files, "--out", out, "--sample", 3]
    with StandInLLM(judged) as server:
        assert rate(*arguments, *asking(server)) == 0
        # The judge of before is the one who is meant; another is not pooled with it.
        assert rate("--out", out, "--base-url", server.url) == 0
        assert rate("--out", out, "--base-url", server.url, "--model", "gpt-other") == 2
        assert "holds ratings by another judge (model differs" in capsys.readouterr().err
        assert rate("--out", out, "--base-url", server.url, "--temperature", 1) == 2
        assert "(parameters differs" in capsys.readouterr().err
        assert len(server.arrivals) == 6
        assert rate("--out", out, "--choose", 1) == 0
        assert len(report(out)["choice"]["chosen"]) == 1
    write(files[0], made_up(11, source="corpus-0"))
    assert rate(*arguments) == 2
    assert "was not drawn from this file as it is now" in capsys.readouterr().err
    monkeypatch.delenv("OPENAI_API_KEY")
    assert rate(*files, "--out", tmp_path / "new", "--sample", 3) == 2
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err


def test_one_process_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    files, out = corpora(tmp_path, number=1), tmp_path / "run"
    assert rate(*files, "--out", out, "--sample", 3, "--no-judge") == 0
    with (out / "run.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert rate("--out", out, "--no-judge") == 2
    assert "another process uses it" in capsys.readouterr().err
