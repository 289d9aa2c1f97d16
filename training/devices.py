"""The accelerator and the processes of one fine-tune: whose turn it is, and who writes for all."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from mi_arena.engine.residency import free_device_memory
from mi_arena.jobs.run_directory import STATUS_NAME, RunDirectory
from mi_arena.jobs.turns import POLL_SECONDS, turn
from mi_arena.settings import runs_folder

GONE_SECONDS = 300
"""As long is the first process waited for: it has much to import, and much to save."""


class OtherDevice(RunDirectory):
    """Of a process that isn't the first: it reads checkpoints and writes nothing."""

    def prepare(self, config: dict[str, Any]) -> None: ...
    def queue(self, ahead: int) -> None: ...
    def start(self, config: dict[str, Any], total: int) -> None: ...
    def progress(self, step: int) -> None: ...
    def metric(self, **values: float | int | str) -> None: ...
    def log(self, line: str) -> None: ...
    def end(self, state: str, error: str | None = None) -> None: ...


def first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def accelerator(run: RunDirectory, config: dict[str, Any]) -> Iterator[None]:
    """The devices for this run alone, among all runs beside it. An interruption leaves the line.

    Of several processes the first one takes the turn for all; the others watch its run directory,
    since a barrier between them would not wait for hours.
    """
    if not first_process():
        _follow_the_first(run.path)
        yield
        return

    def waiting(ahead: int) -> None:
        run.queue(ahead)
        told = f"{ahead} ahead" if ahead else "next in line"
        run.log(f"waits for the accelerator: {told}")
        print(f"training.finetune: waits for the accelerator: {told}", file=sys.stderr)

    with turn(_root_of(run.path.resolve()), waiting):
        run.start(config, 0)
        try:
            yield
        except BaseException as error:
            # What is on its way up holds the frames, and these hold model and optimiser.
            traceback.clear_frames(error.__traceback__)
            raise
        finally:
            free_device_memory()  # whoever comes next needs it before this process is gone


def _root_of(run_path: Path) -> Path:
    """Where its runs wait in line: the folder of runs, if it lies in there, else its own."""
    runs = runs_folder().resolve()
    return runs if run_path.is_relative_to(runs) else run_path.parent


def let_the_first_end(run_path: Path) -> None:
    """Of processes that stop together, the others wait until the first one has saved and said so:
    the launcher takes the rest down as soon as one has ended."""
    if first_process():
        return
    end = time.monotonic() + GONE_SECONDS
    try:
        while _state_of_the_first(run_path) == "running" and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _follow_the_first(run_path: Path) -> None:
    """Wait until the first process of the same launch runs, as long as there is one."""
    seen = time.monotonic()
    while (state := _state_of_the_first(run_path)) != "running":
        if state is not None:
            seen = time.monotonic()
        elif time.monotonic() - seen > GONE_SECONDS:
            raise KeyboardInterrupt
        time.sleep(POLL_SECONDS)


def _state_of_the_first(run_path: Path) -> str | None:
    """What the run directory says, if a process of this launch does: no earlier start's."""
    try:
        status = json.loads((run_path / STATUS_NAME).read_text(encoding="utf-8"))
        ours = psutil.Process(status["pid"]).ppid() == os.getppid()
        return str(status["state"]) if ours else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
