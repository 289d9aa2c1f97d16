"""``python -m mi_arena.jobs``: the six verbs in a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mi_arena.jobs.__main__ import SENTENCES, main
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.scripts import NEEDED_SECRETS, ON_SEVERAL_GPUS, project_scripts
from mi_arena.settings import ROOT
from mi_arena.ui.texts import LANGS, all_texts
from tests.processes import until
from tests.small_dialogues import made_up
from tests.small_dialogues import write as write_dialogues


def shell(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mi_arena.jobs", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def status(root: Path, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["status", name, "--root", str(root), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_run_from_a_shell_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_dialogues(tmp_path / "corpus.jsonl", made_up(3, source="SmileChat"))
    words = ["training.corpora", "read", "smilechat", corpus, "--out", "{run}/dialogues.jsonl"]
    words += ["--run", "{run}"]
    begun = shell("submit", "--root", tmp_path, "--name", "reading", "--", *words)
    assert (begun.returncode, begun.stderr, begun.stdout) == (0, "", "reading  starting\n")
    until(lambda: status(tmp_path, "reading", capsys)["state"] == "done")
    told = status(tmp_path, "reading", capsys)
    assert told["script"] == "training.corpora" and told["step"] == told["total"] > 0
    assert main(["fetch", "reading", "--root", str(tmp_path)]) == 0
    assert str(tmp_path / "reading/dialogues.jsonl") in capsys.readouterr().out.splitlines()


def test_what_only_prints_is_done_when_nobody_waits_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shell is left at once, and that it ended well is noted without it."""
    begun = shell("submit", "--root", tmp_path, "--json", "--", "training.corpora", "--help")
    name = json.loads(begun.stdout)["name"]
    assert name.startswith("training-corpora-")
    until(lambda: status(tmp_path, name, capsys)["state"] == "done")
    assert main(["logs", name, "--root", str(tmp_path), "--lines", "400"]) == 0
    assert "usage: python -m training.corpora" in capsys.readouterr().out
    assert main(["fetch", name, "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / name / 'console.txt'}\n"
    assert main(["list", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{name}  done\n"


def test_stop_and_how_a_queued_run_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import sys, time; from mi_arena.jobs.run_directory import RunDirectory;"
        "run = RunDirectory(sys.argv[1]); run.prepare({}); run.queue(2); time.sleep(600)"
    )
    waiting = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "own")], cwd=ROOT)
    try:
        until((tmp_path / "own/status.json").exists)
        until(lambda: status(tmp_path, "own", capsys)["state"] == "queued")
        assert main(["list", "--root", str(tmp_path)]) == 0
        assert capsys.readouterr().out == "own  queued  2 ahead\n"
        assert main(["stop", "own", "--root", str(tmp_path)]) == 0
        assert waiting.wait(60) == -signal.SIGTERM
        assert status(tmp_path, "own", capsys)["state"] == "stopped"
    finally:
        waiting.kill()
    for verb, reason in (("stop", "stopped already"), ("resume", "started in a shell")):
        assert main([verb, "own", "--root", str(tmp_path)]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("mi_arena.jobs: own: ") and reason in line


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["status", "none"], "none: no such run"),
        (["submit", "--", "training.finetun"], "did you mean training.finetune?"),
        (["submit", "--", "os"], "os: no script of this project"),
        (["submit", "--", "training.models"], "training.models: no script"),
        (["submit", "--gpus", "2", "--", "training.rate"], "runs as one process"),
        (["submit", "--gpus", "0", "--", "training.finetune"], "--gpus: 0"),
        (["submit", "--name", "../x", "--", "training.finetune"], "--name: ../x"),
        (["submit", "--name", "uploads", "--", "training.finetune"], "--name: uploads"),
        (["submit", "--name", "there", "--", "training.finetune"], "there already"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    RunDirectory(tmp_path / "there").start({}, 1)
    before = sorted(os.listdir(tmp_path))
    assert main([words[0], "--root", str(tmp_path), *words[1:]]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert reason in line
    assert sorted(os.listdir(tmp_path)) == before


def test_the_project_knows_its_scripts() -> None:
    known = project_scripts(ROOT)
    assert {"training.finetune", "training.corpora", "eval.loss"} <= known
    assert not known & {"training.models", "training.corpora.command", "mi_arena.main"}
    assert known >= ON_SEVERAL_GPUS and "training.finetune" in NEEDED_SECRETS


def test_every_reason_is_told_in_the_shell_and_on_the_page() -> None:
    for lang in LANGS:
        told = {key.removeprefix("job_") for key in all_texts()[lang] if key.startswith("job_")}
        assert told == set(SENTENCES)
