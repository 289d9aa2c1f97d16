"""In the job: fetches a run's folder, starts its fine-tune, and keeps the folder up to date.

``python -m training.on_hub.worker --repo R --prefix P --attempt N … -- ARGUMENTS OF PYTHON``. What
an earlier job of the run has left is there before the fine-tune starts, so that it goes on from
the last checkpoint. SIGTERM, a request in the folder, and the end of the paid time stop the
fine-tune, which saves first; the job then ends with the fine-tune's exit code.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

import psutil

from mi_arena.hub.hub_client import open_hub
from mi_arena.hub.patience import Patience
from mi_arena.jobs.script import DONE, FAULT, STOPPED, WRONG_INPUT
from training.on_hub.outcome import Outcome
from training.on_hub.publishing import CONSOLE, Publisher
from training.on_hub.restoring import restore
from training.on_hub.store import RUN, RunStore

LAST_PART = 0.1
LEAST_LEFT, MOST_LEFT = 60.0, 600.0
"""Of the paid time this share, within these seconds, is kept for saving and uploading."""
GRACE = 300.0
"""Seconds that a fine-tune may take to finish its step and save."""
PERSISTENCE = 1800.0
"""Seconds for which the first fetch and the last upload are tried."""
TOLD = "training.finetune: "
"""Begins the one line of a fine-tune that ends by itself and knows why."""


class Supervised:
    """The fine-tune's process, and why it was asked to stop."""

    def __init__(self, arguments: list[str], console: Path):
        self.reason: Literal["ended", "time", "stop"] = "ended"
        self._asked_at: float | None = None
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        self._tee = threading.Thread(
            target=tee, args=(self.process.stdout, console), name="console", daemon=True
        )
        self._tee.start()

    def stop(self, reason: Literal["time", "stop"]) -> None:
        """Asked once; each of several devices' processes saves its part, so each is told."""
        if self._asked_at is not None:
            return
        self.reason, self._asked_at = reason, time.monotonic()
        for process in self._trainers():
            with suppress(psutil.Error):
                process.terminate()

    def wait(self, deadline: float) -> int:
        """Its exit code. ``deadline`` is when to stop it, by the monotonic clock."""
        while True:
            try:
                code = self.process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                pass
            if time.monotonic() > deadline:
                self.stop("time")
            if self._asked_at is not None and time.monotonic() > self._asked_at + GRACE:
                self._kill()
        self._tee.join(timeout=5)
        return code

    def _trainers(self) -> list[psutil.Process]:
        """A launcher would kill its processes soon after it was told to stop itself."""
        own = psutil.Process(self.process.pid)
        try:
            ranks = [child for child in own.children() if "RANK" in child.environ()]
        except psutil.Error:
            ranks = []
        return ranks or [own]

    def _kill(self) -> None:
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.Error:
            family = []
        self.process.kill()
        for process in family:
            with suppress(psutil.Error):
                process.kill()


def tee(lines: IO[bytes], console: Path) -> None:
    """To the run's console file, and to the job's own log."""
    with console.open("ab", buffering=0) as out:
        for line in lines:
            out.write(line)
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def outcome_of(child: Supervised, code: int, attempt: int, run: Path) -> Outcome:
    """A launcher of several processes ends with 1 whatever they ended with; what they wrote into
    the run directory tells more."""
    error = None
    if code != DONE and child.reason != "ended":
        code = STOPPED
    elif code not in (DONE, STOPPED):
        error = last_error(run)
        told = f"{TOLD}{error}" in (run / CONSOLE).read_text(encoding="utf-8", errors="replace")
        code = WRONG_INPUT if error and told else FAULT
        error = error or "the fine-tune ended without a word; was the machine's memory full?"
    return Outcome(attempt=attempt, code=code, reason=child.reason, error=error)


def last_error(run: Path) -> str | None:
    try:
        status = json.loads((run / "status.json").read_text(encoding="utf-8"))
        error = status["error"] if status["state"] == "failed" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(error) if error else None


def time_left(seconds: float, began: float) -> float:
    """Until the fine-tune has to stop, of ``seconds`` paid from ``began`` on (Unix time)."""
    kept = min(MOST_LEFT, max(LEAST_LEFT, LAST_PART * seconds))
    return max(0.0, seconds - kept - (time.time() - began))


def say(line: str) -> None:
    print(f"training.on_hub.worker: {line}", flush=True)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.on_hub.worker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--repo", required=True, help="dataset repository")
    add("--prefix", required=True, help="the run's folder in it")
    add("--attempt", type=int, required=True, help="number of this job")
    add("--seconds", type=float, required=True, help="paid time of this job")
    add("--began", type=float, default=time.time(), help="Unix time of its start")
    add("--every", type=float, default=60.0, metavar="SECONDS", help="between two uploads")
    add("arguments", nargs="+", help="of Python: what to run")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    deadline = time.monotonic() + time_left(options.seconds, options.began)
    store, run = RunStore(open_hub(), options.repo, options.prefix), Path(RUN)
    patient = Patience(say, PERSISTENCE)
    restore(store, Path(), patient)
    child = Supervised(options.arguments, run / CONSOLE)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.stop("stop"))
    publisher = Publisher(store, run, options.attempt, say, lambda: child.stop("stop"))
    with publisher.every(options.every):
        code = child.wait(deadline)
    outcome = outcome_of(child, code, options.attempt, run)
    patient("the last upload", lambda: publisher.publish(outcome))
    say(f"ended with {outcome.code}")
    return outcome.code


if __name__ == "__main__":
    raise SystemExit(main())
