"""What stands behind the stand-in's jobs: one that runs their command here, one that acts as if."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.training.on_hub.hub_stand_in import TOKEN, HubStandIn, Job

PIP = """import os, sys
with open(os.environ["PIP_STAND_IN_LOG"], "a") as log:
    print(*sys.argv[1:], file=log)
"""


def hub_environment(hub: HubStandIn, home: Path, token: str = TOKEN) -> dict[str, str]:
    """Of a process that takes the stand-in for the Hub."""
    return os.environ | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "OMP_NUM_THREADS": "1",
    }


class Here:
    """Runs a job's command in a folder of its own, with a pip that notes what it was asked for."""

    def __init__(self, folder: Path):
        self.folder, self.pip_log = folder, folder / "pip.log"
        pip = folder / "modules" / "pip"
        pip.mkdir(parents=True)
        (pip / "__init__.py").touch()
        (pip / "__main__.py").write_text(PIP)

    def __call__(self, hub: HubStandIn, job: Job) -> None:
        where = self.folder / job.id
        where.mkdir()
        process = subprocess.Popen(
            job.spec["command"],
            cwd=where,
            env=hub_environment(hub, where / "hf", job.spec["secrets"]["HF_TOKEN"])
            | job.spec["environment"]
            | {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(self.folder / "modules"),
                "PIP_STAND_IN_LOG": str(self.pip_log),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        job.stage, job.cancel = "RUNNING", process.terminate
        threading.Thread(target=self._wait, args=(hub, job, process), daemon=True).start()

    def _wait(self, hub: HubStandIn, job: Job, process: subprocess.Popen[str]) -> None:
        said, _ = process.communicate()
        with hub.changed:
            job.logs = said.splitlines()
            if job.stage == "RUNNING":
                failed = f"Job failed with exit code: {process.returncode}"
                job.stage, job.message = (
                    ("ERROR", failed) if process.returncode else ("COMPLETED", None)
                )
            hub.changed.notify_all()


Step = Callable[[HubStandIn, Job], None]


def acting(*steps: Step, first: str = "RUNNING") -> Callable[[HubStandIn, Job], None]:
    """A machine that runs nothing: the steps change the job, and the run's files in its stead."""

    def machine(hub: HubStandIn, job: Job) -> None:
        job.stage = first
        job.steps = [partial(step, hub) for step in steps]

    return machine


def stage(name: str, message: str | None = None) -> Step:
    def step(_: HubStandIn, job: Job) -> None:
        job.stage, job.message = name, message

    return step


def ends(code: int, reason: str = "ended", error: str | None = None) -> Step:
    """As a worker does that could leave its last words."""

    def step(hub: HubStandIn, job: Job) -> None:
        attempt = int(job.spec["labels"]["mi-arena-attempt"])
        outcome = {"attempt": attempt, "code": code, "reason": reason, "error": error}
        leave(hub, job, {"run/outcome.json": json.dumps(outcome)})
        job.stage = "ERROR" if code else "COMPLETED"
        job.message = f"Job failed with exit code: {code}" if code else None

    return step


def writes(files: dict[str, str]) -> Step:
    return lambda hub, job: leave(hub, job, files)


def leave(hub: HubStandIn, job: Job, files: dict[str, str]) -> None:
    """Put files into the run's folder, as its worker would."""
    repo, prefix = worker_of(job)
    for name, text in files.items():
        hub.repos[repo].files[f"{prefix}/{name}"] = text.encode()


def worker_of(job: Job) -> tuple[str, str]:
    """Repository and folder, as the job's command names them."""
    repo, prefix = job.spec["command"][3:5]
    return repo, prefix
