"""The command: what it writes, prints and leaves behind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mi_arena.dialogue import read_dialogues, write_dialogues
from tests.processes import kill_when, start
from tests.training.corpora.small_corpora import PAIR, folder, made, text, to_json
from training.corpora import problems
from training.corpora.cleaning import RULES
from training.corpora.command import main
from training.corpora.readers.kinds import KINDS

DIRTY = {
    **text(1),
    "case_2.txt": "心理咨询师：你好。\n来访者：我累。\n心理咨询师：累多久了？\n来访者：再见。\n",
    "case_3.txt": "来访者：我想自杀。\n心理咨询师：（沉默片刻）你现在安全吗？\n",
    "case_4.txt": "",
}


def test_a_corpus_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = folder(tmp_path / "in", DIRTY), tmp_path / "new" / "out.jsonl"
    told = tmp_path / "told.json"
    assert main(["read", "cpsycound", str(path), "--out", str(out), "--report", str(told)]) == 0
    found = list(read_dialogues(out))
    assert [one.id for one in found] == ["cpsycound-1", "cpsycound-2", "cpsycound-3"]
    assert [len(one.messages) for one in found] == [2, 2, 2]
    assert found[2].meta == {"flags": ["crisis"]} and found[2].messages[1].content[0] == "你"
    report = json.loads(told.read_text())
    assert (report["read"], report["written"]) == (3, 3)
    assert report["problems"].keys() == problems.KINDS.keys()
    assert report["problems"]["unreadable"]["dialogues"] == 1
    assert report["problems"]["replacement_character"]["dialogues"] == 0
    assert report["changed"]["drop_trailing_client"]["dialogues"] == 1
    assert report["dropped"]["drop_exact_duplicates"]["dialogues"] == 0
    printed = capsys.readouterr().out
    assert "read 3, written 3, unreadable 1" in printed and "case_4.txt" in printed
    crisis = report["problems"]["crisis"]["examples"][0]
    assert crisis["where"] in printed and crisis["excerpt"] not in printed, "no terminal, no words"
    run = out.with_name("out.jsonl.run")
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "done" and status["step"] == status["total"] > 0
    assert json.loads((run / "report.json").read_text()) == report
    assert (run / "config.yaml").is_file() and (run / "log.txt").is_file()
    last = (run / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["written"] == 3


def test_read_again_changes_nothing(tmp_path: Path) -> None:
    lines = [made(f"smile-{n}", "k:你好", f"c:累{n}", "c:真的", "k:嗯", "c:好", source="SmileChat")
             for n in (1, 2, 2, 3)]  # fmt: skip
    write_dialogues(tmp_path / "0.jsonl", lines)
    for n in (0, 1):
        args = ["read", "smilechat", str(tmp_path / f"{n}.jsonl"), "--out"]
        assert main([*args, str(tmp_path / f"{n + 1}.jsonl")]) == 0
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    assert len(list(read_dialogues(tmp_path / "1.jsonl"))) == 3


def test_rules_switched_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = folder(tmp_path / "in", DIRTY), tmp_path / "out.jsonl.gz"
    args = ["read", "cpsycound", str(path), "--out", str(out), "--json"]
    assert main([*args, "--no-clean"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == []
    assert [len(one.messages) for one in read_dialogues(out)] == [2, 4, 2]
    first = out.read_bytes()
    assert main([*args, "--without", "drop_trailing_client", "--without", "cut_loops"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rules"] == [
        rule for rule in RULES
        if rule not in ("drop_trailing_client", "cut_loops", "drop_near_duplicates")
    ]  # fmt: skip
    assert [len(one.messages) for one in read_dialogues(out)] == [2, 3, 2]
    assert main([*args, "--no-clean"]) == 0 and out.read_bytes() == first
    gzip.decompress(first)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["cpsycond", "in"], "no kind 'cpsycond'; did you mean cpsycound? Known: "),
        (
            ["cpsycound", "in", "--without", "cut_loop"],
            "no rule 'cut_loop'; did you mean cut_loops?",
        ),
        (["cpsycound", "in", "--without", "cut_loops", "--no-clean"], "leave --without away"),
        (["cpsycound", "in", "--near-threshold", "2"], "2.0 is not above 0"),
        (["openai", "in"], "no .json or .jsonl file in this folder"),
        (["cpsycound", "none"], "none: no such file or folder"),
        (["cpsycound", "in/case_4.txt"], "case_4.txt: is empty"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    line: str,
) -> None:
    folder(tmp_path / "in", DIRTY)
    monkeypatch.chdir(tmp_path)
    assert main(["read", *arguments, "--out", "out.jsonl"]) == 2
    error = capsys.readouterr().err
    assert line in error and len(error.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out.jsonl")) and not list(tmp_path.glob("*.part"))
    if (status := tmp_path / "out.jsonl.run" / "status.json").exists():
        assert json.loads(status.read_text())["state"] == "failed"


def test_out_may_not_be_what_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(to_json({"messages": PAIR}) + "\n", encoding="utf-8")
    assert main(["read", "openai", str(path), "--out", str(path)]) == 2
    assert main(["read", "openai", str(path), "--out", str(tmp_path)]) == 2
    assert "name a file" in capsys.readouterr().err
    assert json.loads(path.read_text()) == {"messages": PAIR}


def test_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "d.jsonl"
    write_dialogues(
        path, [made("a", "c:我累了", "k:说说", "c:好"), made("b", "c:嗯", topic="睡眠")]
    )
    with path.open("a") as out:
        out.write('{"id": "c"\n')
    assert main(["inspect", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["dialogues"], found["sources"]) == (2, {"made-up": 2})
    assert found["topics"] == {"睡眠": 1}
    assert (found["rounds"]["min"], found["rounds"]["max"]) == (0, 1)
    assert found["client_turn_characters"]["n"] == 3
    assert found["problems"]["ends_on_client"]["dialogues"] == 2
    assert found["problems"]["unreadable"]["examples"][0]["where"] == f"{path}:3"
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "dialogues: 2" in printed and "one_role_only: 1" in printed
    assert list(tmp_path.iterdir()) == [path]
    path.write_text(to_json({"messages": PAIR}) + "\n", encoding="utf-8")
    assert main(["inspect", str(path)]) == 2
    assert "expects dialogue JSONL" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_killed_run_leaves_no_half_output(tmp_path: Path, name: str) -> None:
    path, out = tmp_path / "c.jsonl", tmp_path / name
    with path.open("w", encoding="utf-8") as lines:
        for n in range(150_000):
            turns = [{"role": "user", "content": f"{n}"}, PAIR[1]]
            lines.write(to_json({"messages": turns}) + "\n")
    out.write_text("before")
    part = out.with_name(name + ".part")
    process = start("training.corpora", "read", "openai", path, "--out", out)
    kill_when(process, lambda: part.exists() and part.stat().st_size > 0)
    assert out.read_text() == "before"


def test_help_tells_everything(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["read", "--help"], ["inspect", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
    printed = capsys.readouterr().out
    for name in (*KINDS, *RULES, *problems.KINDS):
        assert name in printed
