"""The files of a run that a job keeps on the Hub, copied into the run directory as they change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from huggingface_hub.errors import RemoteEntryNotFoundError
from pydantic import ValidationError

from mi_arena.jobs.run_directory import STATUS_NAME, RunDirectory, write_atomically
from training.on_hub.outcome import Outcome
from training.on_hub.store import OUTCOME, RUN, RunStore

COPIED = ("metrics.jsonl", "samples.jsonl")
LOG = "log.txt"
PAPERS = "hub"
"""Folder in the run directory: what is copied, but shown only as part of something else."""
OWN_LOG, JOB_LOG = "here.txt", "job.txt"


class MirroredRun(RunDirectory):
    """A run directory whose log has two writers: this machine and the job."""

    def __init__(self, path: str | Path):
        super().__init__(path)
        self.papers = self.path / PAPERS
        self.papers.mkdir(exist_ok=True)

    def log(self, line: str) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.papers / OWN_LOG).open("a", encoding="utf-8") as out:
            out.write(f"{stamp} {line}\n")
        self.merge_logs()

    def merge_logs(self) -> None:
        logs = [lines_of(self.papers / name) for name in (OWN_LOG, JOB_LOG)]
        text = "".join(f"{line}\n" for line in merged(*logs))
        write_atomically(self.path / LOG, text)


def merged(*logs: Iterable[str]) -> list[str]:
    """Lines that begin with a time, by that time; what was written in one second stays together."""
    return sorted((line for log in logs for line in log), key=lambda line: line.split(" ")[0])


def lines_of(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


class Mirror:
    """Copies what has changed since the last look. Raises what the Hub's client raises."""

    def __init__(self, store: RunStore, run: MirroredRun, attempt: int):
        self._store, self._run, self._attempt = store, run, attempt
        self._seen: dict[str, str] = {}
        self.outcome: Outcome | None = None
        """Of this attempt, once it is there."""
        self.step = self.total = 0

    def look(self) -> None:
        for name, content in self._store.files(RUN, recursive=False).items():
            if self._seen.get(name) == content or not self._wanted(name):
                continue
            target = self._target(name)
            try:
                self._store.fetch(name, target)
            except RemoteEntryNotFoundError:  # gone between the two requests
                continue
            self._taken_in(name, target)
            self._seen[name] = content

    def _wanted(self, name: str) -> bool:
        return Path(name).name in (*COPIED, LOG, STATUS_NAME) or name == OUTCOME

    def _target(self, name: str) -> Path:
        file = Path(name).name
        if file in COPIED:
            return self._run.path / file
        # A status of the job's own in the run directory would be taken for another run.
        return self._run.papers / {LOG: JOB_LOG, STATUS_NAME: "job-status.json"}.get(file, file)

    def _taken_in(self, name: str, copy: Path) -> None:
        if copy.name == JOB_LOG:
            self._run.merge_logs()
        elif Path(name).name == STATUS_NAME:
            self._progress(copy)
        elif name == OUTCOME:
            self._ended(copy)

    def _progress(self, copy: Path) -> None:
        try:
            status: dict[str, Any] = json.loads(copy.read_text(encoding="utf-8"))
            step, total = int(status["step"]), int(status["total"])
        except (ValueError, KeyError, TypeError):
            return
        self.step, self.total = step, total
        eta = status.get("eta_seconds")
        self._run.reached(step, total, eta if isinstance(eta, int | float) else None)

    def _ended(self, copy: Path) -> None:
        try:
            outcome = Outcome.model_validate_json(copy.read_text(encoding="utf-8"))
        except (ValidationError, UnicodeDecodeError):
            return
        if outcome.attempt == self._attempt:
            self.outcome = outcome
