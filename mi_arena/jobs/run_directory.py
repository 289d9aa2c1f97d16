"""A run directory: one execution of a script, told in files that anyone may read meanwhile.

``config.yaml`` is all that is needed to repeat the run, ``status.json`` says how it stands,
``metrics.jsonl`` and ``log.txt`` grow, ``checkpoints/`` lets it resume. Writers here; readers need
nothing but the files.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml

from mi_arena.jobs.script import BadInput

State = Literal["starting", "queued", "running", "done", "failed", "stopped"]

STATUS_NAME = "status.json"
COMMAND_NAME = "command.json"
"""Module and arguments, where the app started the run."""
STOP_NAME = "stop-asked"
"""Left by whoever asked the process to end: a script that is still beginning can't say so."""


def write_atomically(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace a file in one step, so that a reader never sees half of it.

    ``durable``: nor does one after a power cut, which costs a wait for the disk.
    """
    # Two processes may write the same file; each has a part of its own.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as out:
        out.write(text)
        if durable:
            out.flush()
            os.fsync(out.fileno())
    os.replace(part, path)


def begin_status(folder: Path, pid: int) -> None:
    """What stands in ``status.json`` from a process' start until its script has begun."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.Error:  # it has ended already, and its console says why
        started = None
    step, total = reached(folder)
    status = {
        "state": "starting",
        "pid": pid,
        "pid_started": started,
        "step": step,
        "total": total,
        "eta_seconds": None,
        "error": None,
        "updated_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_atomically(folder / STATUS_NAME, json.dumps(status, indent=1))


def reached(folder: Path) -> tuple[int, int]:
    """Step and total of a run that ended early, or is on its way; none of one that is done."""
    try:
        status = json.loads((folder / STATUS_NAME).read_text(encoding="utf-8"))
        return (0, 0) if status["state"] == "done" else (int(status["step"]), int(status["total"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def end_begun_status(folder: Path, pid: int) -> None:
    """Mark as done what this process has begun and its script never touched."""
    status = json.loads((folder / STATUS_NAME).read_text(encoding="utf-8"))
    if status["state"] == "starting" and status["pid"] == pid:
        status["state"] = "done"
        write_atomically(folder / STATUS_NAME, json.dumps(status, indent=1))


@contextmanager
def alone_in(folder: Path, option: str) -> Iterator[None]:
    """One process at a time in a run directory; a killed one lets go. ``option`` names it.

    Raises ``BadInput`` when another is there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "run.lock").open("ab")
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(
                f"{folder}: another process uses it; wait for it to end, or name another {option}"
            ) from None
        yield


def this_script() -> str | None:
    """The module that this process runs, as ``python -m`` was told it."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name.removesuffix(".__main__") if spec else None


class RunDirectory:
    """The writing side, used by the script itself; ``told`` hears of every step noted."""

    def __init__(self, path: str | Path, told: Callable[[int], None] = lambda step: None):
        self.path, self._told = Path(path), told
        self.checkpoints = self.path / "checkpoints"
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self._began = time.monotonic()
        self._first_step: int | None = None
        self._status: dict[str, Any] = {}

    def prepare(self, config: dict[str, Any]) -> None:
        """It reads and checks its input: nothing is done yet, and it may be refused."""
        self._begin("starting", config, 0)

    def queue(self, ahead: int) -> None:
        """Prepared, it waits for its turn; so many others are ahead."""
        self._status |= {"state": "queued", "ahead": ahead}
        self._write_status()

    def start(self, config: dict[str, Any], total: int) -> None:
        self._begin("running", config, total)

    def _begin(self, state: State, config: dict[str, Any], total: int) -> None:
        # What an earlier execution came to is kept, and shown until the script says how far it is.
        before, of = reached(self.path)
        total = total or of
        write_atomically(
            self.path / "config.yaml",
            yaml.safe_dump(config, allow_unicode=True, sort_keys=False),
        )
        process = psutil.Process()
        self._status = {
            "state": state,
            "script": this_script(),
            "pid": process.pid,
            "pid_started": process.create_time(),
            "step": before if total == of else 0,
            "total": total,
            "eta_seconds": None,
            "error": None,
        }
        self._write_status()

    def progress(self, step: int) -> None:
        """Note the step reached; the estimate of what is left counts this execution only."""
        if self._first_step is None:
            self._first_step, self._began = step, time.monotonic()
        done = step - self._first_step
        pace = (time.monotonic() - self._began) / done if done else None
        self._status["step"] = step
        self._status["eta_seconds"] = (
            None if pace is None else round(pace * (self._status["total"] - step), 1)
        )
        self._write_status()
        self._told(step)

    def reached(self, step: int, total: int, eta_seconds: float | None) -> None:
        """Note how far a run has come whose work is done, and timed, on another machine."""
        self._status |= {"step": step, "total": total, "eta_seconds": eta_seconds}
        self._write_status()

    def metric(self, **values: float | int | str) -> None:
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(values, ensure_ascii=False) + "\n")

    def log(self, line: str) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.path / "log.txt").open("a", encoding="utf-8") as out:
            out.write(f"{stamp} {line}\n")

    def end(self, state: State, error: str | None = None) -> None:
        self._status |= {"state": state, "error": error, "eta_seconds": None}
        self._status.pop("ahead", None)
        self._write_status()

    def _write_status(self) -> None:
        self._status["updated_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_atomically(
            self.path / STATUS_NAME, json.dumps(self._status, ensure_ascii=False, indent=1)
        )
