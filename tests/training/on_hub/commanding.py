"""The command of this machine's side, started; and what a job does meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import ROOT
from tests.training.on_hub.hub_stand_in import Fault, HubStandIn, Job
from tests.training.on_hub.machines import (
    ends,
    hub_environment,
    writes,
)
from training.on_hub import command

QUICK = ("--poll", "0.02", "--publish", "0.02")


HANG_UP = Fault("GET", "/api/jobs/me/job1", None)


def write_config(folder: Path, **changes: Any) -> Path:
    settings = {
        "base": "owner/base", "data": str(folder / "mi.jsonl"), "format": "llama3",
        "output": str(folder / "adapter"),
    }  # fmt: skip
    file = folder / "tune.yaml"
    file.write_text(yaml.safe_dump(settings | changes))
    return file


def start(config: Path, *options: str) -> int:
    return command.main([str(config), "--out", str(config.parent / "run"), *QUICK, *options])


def process(hub: HubStandIn, config: Path) -> subprocess.Popen[str]:
    out = config.parent / "run"
    return subprocess.Popen(
        [sys.executable, "-m", "training.on_hub", str(config), "--out", str(out), *QUICK],
        cwd=ROOT,
        env=hub_environment(hub, config.parent / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def status(config: Path) -> dict[str, Any]:
    return json.loads((config.parent / "run/status.json").read_text())


def seen(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


ENTRY = {
    "pairs": [
        {
            "id": "run", "name": {"zh": "run", "en": "run"}, "format": "llama3",
            "base": {"repo": "owner/base", "revision": "a" * 40}, "adapter": {"path": "/job/a"},
            "dtype": "float32", "context": 2048, "licence": "MIT",
            "decoding": {"max_new_tokens": 256},
        }
    ]
}  # fmt: skip


MADE = {
    "output/adapter/adapter_config.json": "{}",
    "output/adapter/adapter_model.safetensors": "weights",
    "output/adapter/training.json": "{}",
    "run/pair.yaml": yaml.safe_dump(ENTRY),
}


def progress(step: int, line: str = "") -> Callable[[HubStandIn, Job], None]:
    """A worker's upload after so many of ten steps."""
    told = {"state": "running", "pid": 1, "step": step, "total": 10, "eta_seconds": 10.0 - step}
    return writes(
        {
            "run/status.json": json.dumps(told),
            "run/metrics.jsonl": "".join(f'{{"step": {n}, "loss": 1.0}}\n' for n in range(step)),
            "run/samples.jsonl": '{"step": 0, "prompt": "p", "reply": "r"}\n',
            "run/log.txt": f"2020-01-01T00:00:00+00:00 step {step}{line}\n",
            "run/config.yaml": "base: of the job\n",
        }
    )


def both(
    *steps: Callable[[HubStandIn, Job], None],
) -> Callable[[HubStandIn, Job], None]:
    def step(hub: HubStandIn, job: Job) -> None:
        for each in steps:
            each(hub, job)

    return step


GOOD_END = both(progress(10), writes(MADE), ends(0))
