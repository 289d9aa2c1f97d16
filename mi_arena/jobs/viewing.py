"""The reading side of run directories: how each run stands, whoever started it and from where."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import psutil

from mi_arena.jobs.inputs import UPLOADS
from mi_arena.jobs.run_directory import COMMAND_NAME, STATUS_NAME, STOP_NAME

State = Literal["starting", "queued", "running", "done", "failed", "stopped", "lost"]
"""``lost``: it says that it runs, but its process is gone. It can be resumed, as a stopped one."""

DEEPEST = 2
"""Folders below the root in which runs are looked for."""
LONGEST_LINE = 2_000
STARTED_WITHIN = 1.0
"""Seconds by which two readings of a process' start may differ."""
ACTIVE = ("starting", "queued", "running")
OWN_FILES = frozenset({"starting.lock", "run.lock", STATUS_NAME, COMMAND_NAME, STOP_NAME})
"""What a run keeps for itself."""
OWN_ENDINGS = (".part", ".sqlite", ".sqlite-wal", ".sqlite-shm")


@dataclass(frozen=True)
class RunView:
    """One run as its files tell it."""

    name: str
    """Its folder, relative to the root it was found under."""
    path: Path
    script: str | None
    """Its module, where it is known."""
    by_app: bool
    """Whether the app, or its command line, started it and can do so again."""
    state: State
    step: int
    total: int
    eta_seconds: float | None
    error: str | None
    updated_at: str
    pid: int | None
    pid_started: float | None
    ahead: int | None = None
    """How many are ahead of a queued one in line; 0 while the arena still makes room for it."""
    stopping: bool = False
    """Asked to end, and not at its end yet."""

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def share(self) -> float | None:
        """Of the work done, 0 to 1; ``None`` while the total isn't known."""
        return min(1.0, self.step / self.total) if self.total > 0 else None


def all_runs(root: Path) -> list[RunView]:
    """Every run under ``root``, the newest first; an uploaded file is never part of one."""
    seen = [run for folder in _folders(root, DEEPEST) if (run := view_run(root, folder))]
    return sorted(seen, key=lambda run: run.updated_at, reverse=True)


def view_run(root: Path, folder: Path) -> RunView | None:
    """The run in ``folder``; ``None`` where there is none, or its status can't be read."""
    status = _json(folder / STATUS_NAME)
    if status is None:
        return None
    command = _json(folder / COMMAND_NAME) or {}
    said, error = status.get("state"), status.get("error")
    state: State = cast(State, said) if said in get_args(State) else "failed"
    if state in ACTIVE and not is_alive(status.get("pid"), status.get("pid_started")):
        asked = (folder / STOP_NAME).exists()
        # A script that ends before it has begun says why on its console only.
        if state == "starting" and not asked:
            error = error or _last_word(folder, command.get("module"))
        state = "stopped" if asked else "failed" if state == "starting" else "lost"
    return RunView(
        name=folder.relative_to(root).as_posix(),
        path=folder,
        script=command.get("module") or status.get("script"),
        by_app=bool(command),
        state=state,
        step=_whole(status.get("step")),
        total=_whole(status.get("total")),
        eta_seconds=status.get("eta_seconds"),
        error=error,
        updated_at=str(status.get("updated_at", "")),
        pid=status.get("pid"),
        pid_started=status.get("pid_started"),
        ahead=_whole(status.get("ahead")) if state == "queued" else None,
        stopping=state in ACTIVE and (folder / STOP_NAME).exists(),
    )


def is_alive(pid: object, started: object) -> bool:
    """Whether the very process that wrote its pid and start time still runs."""
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return False
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < STARTED_WITHIN
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def log_tail(folder: Path, lines: int = 200) -> list[str]:
    """The last lines of the run's log, and of its console where the log is empty."""
    for name in ("log.txt", "console.txt"):
        if found := list(deque(_lines(folder / name), maxlen=lines)):
            return found
    return []


def metrics(folder: Path, last: int | None = None) -> list[dict[str, Any]]:
    """The records of ``metrics.jsonl``; a line that is being written is left out."""
    records = []
    for line in deque(_lines(folder / "metrics.jsonl"), maxlen=last):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def output_files(folder: Path) -> list[Path]:
    """What a run has written for others: neither its own papers nor its checkpoints."""
    return sorted(path for path in folder.rglob("*") if _for_others(path, folder))


def _for_others(path: Path, folder: Path) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and path.relative_to(folder).parts[0] != "checkpoints"
        and path.name not in OWN_FILES
        and not path.name.endswith(OWN_ENDINGS)
    )


def _folders(root: Path, depth: int) -> Iterator[Path]:
    try:
        children = [
            child
            for child in root.iterdir()
            if child.is_dir() and not child.is_symlink() and child.name != UPLOADS
        ]
    except OSError:
        return
    for child in children:
        yield child
        if depth > 1:
            yield from _folders(child, depth - 1)


def _json(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                # A progress bar rewrites its line: only what it ended with is of interest.
                yield line.rstrip("\n").rpartition("\r")[2][:LONGEST_LINE]
    except OSError:
        return


def _last_word(folder: Path, script: str | None) -> str | None:
    """The last line of the console; the script's own, where others speak after it."""
    filled = [line for line in _lines(folder / "console.txt") if line.strip()]
    own = [line for line in filled if script and line.startswith(f"{script}: ")]
    return (own or filled)[-1] if filled else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
