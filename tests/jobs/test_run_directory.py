"""A run directory tells a reader, from files alone, how a run stands."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from mi_arena.jobs import run_directory
from mi_arena.jobs.run_directory import RunDirectory, begin_status, write_atomically


class Clock:
    """Stands in for the module's ``time``."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(run_directory, "time", clock)
    return clock


def status(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "status.json").read_text(encoding="utf-8")))


def test_start_says_what_runs_and_who(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "one")
    run.start({"recipe": "演示", "rank": 8}, total=10)
    assert run.checkpoints.is_dir()
    config = (run.path / "config.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(config) == {"recipe": "演示", "rank": 8}
    assert "演示" in config and config.index("recipe") < config.index("rank")
    said = status(run.path)
    assert (said["state"], said["step"], said["total"]) == ("running", 0, 10)
    # A pid alone may have been given to another process since; its start time tells.
    assert said["pid"] == os.getpid()
    assert said["pid_started"] == psutil.Process().create_time()


def test_what_an_earlier_execution_came_to_is_shown_until_there_is_more(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.start({}, total=100)
    run.progress(40)
    run.end("stopped")
    begin_status(tmp_path, os.getpid())
    assert (status(tmp_path)["step"], status(tmp_path)["total"]) == (40, 100)
    again = RunDirectory(tmp_path)
    again.prepare({})
    assert (status(tmp_path)["step"], status(tmp_path)["total"]) == (40, 100)
    again.start({}, total=100)
    assert status(tmp_path)["step"] == 40
    again.end("failed")
    RunDirectory(tmp_path).start({}, total=90)  # of another size: nothing is known of it
    assert status(tmp_path)["step"] == 0


def test_the_estimate_counts_this_execution_only(tmp_path: Path, clock: Clock) -> None:
    run = RunDirectory(tmp_path)
    run.start({}, total=100)
    clock.now += 1000  # loading, which is not the pace of the work
    run.progress(50)  # resumed from a checkpoint
    assert status(tmp_path)["eta_seconds"] is None
    clock.now += 20
    run.progress(60)
    said = status(tmp_path)
    assert (said["step"], said["eta_seconds"]) == (60, 80.0)


@pytest.mark.parametrize(
    ("state", "error"), [("done", None), ("failed", "x.jsonl:3: bad"), ("stopped", "time limit")]
)
def test_the_end_is_told_once_and_for_all(tmp_path: Path, state: Any, error: str | None) -> None:
    run = RunDirectory(tmp_path)
    run.start({}, total=2)
    run.progress(1)
    run.progress(2)
    run.end(state, error)
    said = status(tmp_path)
    assert (said["state"], said["error"], said["eta_seconds"]) == (state, error, None)
    assert said["step"] == 2


def test_metrics_and_log_grow_across_executions(tmp_path: Path) -> None:
    for step in (1, 2):
        run = RunDirectory(tmp_path)
        run.start({}, total=2)
        run.metric(step=step, loss=0.5, note="保存")
        run.log(f"第 {step} 步")
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    log = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in log] == ["第 1 步", "第 2 步"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_atomically(path, "old")

    def crash(*_: object) -> None:
        raise OSError("killed before the new file took its place")

    monkeypatch.setattr(run_directory.os, "replace", crash)
    with pytest.raises(OSError, match="killed"):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"


def test_a_durable_file_is_whole_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, done = tmp_path / "last.json", []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append(os.fstat(file).st_size))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("placed"), replace(*paths)))
    write_atomically(path, "text", durable=True)
    write_atomically(path, "other")
    assert done == [4, "placed", "placed"]
