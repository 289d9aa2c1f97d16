"""A fine-tune on a stand-in of the Hub whose jobs really run: stopped, gone on with, fetched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mi_arena.pairs import load_registry
from tests.processes import ROOT
from tests.small_dialogues import made_up, write
from tests.training.on_hub.hub_stand_in import HubStandIn
from tests.training.on_hub.machines import Here, hub_environment
from training.checkpoints import PROGRESS

EPOCHS, PER_EPOCH = 24, 3  # so many that it is caught before its end
STEPS = EPOCHS * PER_EPOCH


def begin(hub: HubStandIn, config: Path, run: Path) -> subprocess.Popen[str]:
    quick = ("--poll", "0.5", "--publish", "1")
    return subprocess.Popen(
        [sys.executable, "-m", "training.on_hub", str(config), "--out", str(run), *quick],
        cwd=ROOT,
        env=hub_environment(hub, run.parent / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(reached: Callable[[], Any], process: subprocess.Popen[str], every: float = 0.05) -> Any:
    deadline = time.monotonic() + 600
    while not (found := reached()):
        if process.poll() is not None:
            raise AssertionError(f"ended too early: {process.communicate()}")
        assert time.monotonic() < deadline
        time.sleep(every)
    return found


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write_config(folder: Path, base: Path) -> Path:
    settings = {
        "base": str(base),
        "data": str(write(folder / "mi.jsonl", made_up(12))),
        "output": str(folder / "adapter"),
        "epochs": EPOCHS, "patience": EPOCHS, "batch_dialogues": 4, "learning_rate": 0.01,
        "max_length": 128, "sample_prompts": ["我想戒烟。"], "sample_tokens": 4,
    }  # fmt: skip
    file = folder / "tune.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def status(run: Path) -> dict[str, Any]:
    return json.loads((run / "status.json").read_text())


def stopped_after_a_checkpoint(hub: HubStandIn, config: Path, run: Path, there: Path) -> None:
    """The first job: mirrored, held still with a checkpoint, asked to stop, and saved."""
    script = begin(hub, config, run)
    until(there.exists, script)
    whole = f"checkpoints/checkpoint-*/{PROGRESS}"
    until(lambda: any(there.glob(whole)), script, every=0.003)
    trainer = status(there)["pid"]
    os.kill(trainer, signal.SIGSTOP)
    until(lambda: any(PROGRESS in name for name in hub.files()), script)
    until(lambda: (run / "samples.jsonl").exists() and status(run)["total"], script)
    shown = status(run)
    assert (shown["state"], shown["pid"], shown["total"]) == ("running", script.pid, STEPS)
    assert any("validation_loss" in record for record in records(run / "metrics.jsonl"))

    script.send_signal(signal.SIGTERM)
    until(lambda: "stop-asked" in hub.files(), script)
    os.kill(trainer, signal.SIGCONT)
    said = script.communicate(timeout=600)
    assert (script.returncode, said[1].count("\n")) == (3, 1), said
    assert "the same command goes on from here" in said[1]
    assert status(run)["state"] == "stopped"
    assert json.loads(hub.files()["run/outcome.json"])["reason"] == "stop"
    assert max(record["step"] for record in records(there / "metrics.jsonl")) < STEPS


def test_stopped_gone_on_with_and_fetched(tmp_path: Path, pair_folders: tuple[Path, Path]) -> None:
    config, run = write_config(tmp_path, pair_folders[0]), tmp_path / "run"
    machine = Here(tmp_path / "jobs")
    with HubStandIn(machine=machine) as hub:
        there = machine.folder / "job1" / "mi-arena" / "run"
        stopped_after_a_checkpoint(hub, config, run, there)
        script = begin(hub, config, run)
        said = script.communicate(timeout=600)
        assert script.returncode == 0, (said, [job.logs for job in hub.jobs.values()])
        assert [job.stage for job in hub.jobs.values()] == ["ERROR", "COMPLETED"]
    assert said[0] == f"adapter: {tmp_path / 'adapter'}\n"
    assert (status(run)["state"], status(run)["step"]) == ("done", STEPS)
    log = (run / "log.txt").read_text()
    assert "resumed after step" in log and "looking after" in log
    epochs = [r["epoch"] for r in records(run / "metrics.jsonl") if "epoch" in r]
    assert epochs == list(range(EPOCHS + 1))
    sampled = [sample["step"] for sample in records(run / "samples.jsonl")]
    assert sampled == [epoch * PER_EPOCH for epoch in range(EPOCHS + 1)]

    # What came out is what a run on this machine leaves.
    adapter = tmp_path / "adapter"
    assert {file.name for file in adapter.iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "training.json",
    }  # fmt: skip
    record = json.loads((adapter / "training.json").read_text())
    assert (record["config"]["data"], record["config"]["base"]) == ("mi.jsonl", "base")
    assert [one["epoch"] for one in record["loss"]["epochs"]] == epochs
    [pair] = load_registry(run / "pair.yaml").values()
    assert pair.adapter is not None and pair.adapter.path == str(adapter)
    assert pair.base.path == str(pair_folders[0])
    installed = machine.pip_log.read_text().splitlines()
    assert installed[0].startswith("install --quiet huggingface_hub==")
    assert installed[1] == "install --quiet -r requirements.txt -c constraints.txt"
