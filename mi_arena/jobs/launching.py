"""Starts, stops and resumes scripts as processes of their own, each in its run directory.

A process outlives the app: a restarted app finds it again by its files. No shell is involved, and
only the scripts that the launcher was given can be started.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from mi_arena.jobs.inputs import UPLOADS
from mi_arena.jobs.run_directory import (
    COMMAND_NAME,
    STOP_NAME,
    begin_status,
    end_begun_status,
    write_atomically,
)
from mi_arena.jobs.script import DONE
from mi_arena.jobs.viewing import RunView, all_runs, is_alive, view_run

SECRETS = ("MI_ARENA_SECRET", "MI_ARENA_ADMIN_CODE", "HF_TOKEN")
"""Not handed to scripts: none of them needs the study's own, and no form publishes anything."""


class JobError(ValueError):
    """A run that can't be started, stopped or resumed. ``code`` says why, for the page's words."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


class Launcher:
    """Runs of one root folder. Safe for several threads and several apps over the same folder."""

    def __init__(self, root: Path, scripts: Iterable[str], working: Path):
        """``scripts`` are the modules that may be started, in the folder ``working``."""
        self.root, self._scripts, self._working = root, frozenset(scripts), working

    def runs(self) -> list[RunView]:
        return all_runs(self.root)

    def view(self, name: str) -> RunView:
        """Raises ``JobError`` for a name that is no run."""
        folder = self._folder(name)
        run = view_run(self.root, folder) if folder else None
        if run is None:
            raise JobError("no_run")
        return run

    def new_folder(self, title: str) -> Path:
        """An empty folder for a run, named after its title and the time."""
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "run"
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        folder = self.root / f"{slug}-{stamp}-{secrets.token_hex(2)}"
        folder.mkdir(parents=True)
        return folder

    def start(self, folder: Path, module: str, arguments: Sequence[str]) -> RunView:
        """Start a script in ``folder``. Raises ``JobError`` for one that may not be started."""
        if module not in self._scripts:
            raise JobError("no_script")
        command = {"module": module, "arguments": list(arguments)}
        text = json.dumps(command, ensure_ascii=False, indent=1)
        write_atomically(folder / COMMAND_NAME, text + "\n")
        return self._launch(folder, module, arguments)

    def stop(self, name: str) -> None:
        """Ask a run's process to end; it keeps what it has. Raises ``JobError`` if none runs."""
        run = self.view(name)
        if not run.active or run.pid is None or not is_alive(run.pid, run.pid_started):
            raise JobError("not_running")
        (run.path / STOP_NAME).touch()
        try:
            psutil.Process(run.pid).terminate()
        except psutil.Error:
            raise JobError("not_running") from None

    def resume(self, name: str) -> RunView:
        """The same command in the same directory; what it has done already it does not do again."""
        run = self.view(name)
        try:
            command: Mapping[str, object] = json.loads(
                (run.path / COMMAND_NAME).read_text(encoding="utf-8")
            )
            module, arguments = command["module"], command["arguments"]
        except (OSError, ValueError, KeyError):
            raise JobError("from_a_shell") from None
        if module not in self._scripts or not isinstance(arguments, list):
            raise JobError("no_script")
        return self._launch(run.path, str(module), [str(word) for word in arguments])

    def _launch(self, folder: Path, module: str, arguments: Sequence[str]) -> RunView:
        environment = {k: v for k, v in os.environ.items() if k not in SECRETS}
        environment["PYTHONUNBUFFERED"] = "1"
        with _alone(folder), (folder / "console.txt").open("ab") as console:
            running = view_run(self.root, folder)
            if running is not None and running.active:
                raise JobError("still_running")
            (folder / STOP_NAME).unlink(missing_ok=True)
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=self._working,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            begin_status(folder, process.pid)
        threading.Thread(
            target=_reap, args=(process, folder), name=f"reap-{process.pid}", daemon=True
        ).start()
        found = view_run(self.root, folder)
        assert found is not None
        return found

    def _folder(self, name: str) -> Path | None:
        """The folder of a run's name, if it lies under the root."""
        root = self.root.resolve()
        folder = (root / name).resolve()
        if not folder.is_relative_to(root) or folder == root:
            return None
        inside = folder.relative_to(root)
        # What was uploaded is data, whatever its name: it must not pose as a run.
        return None if UPLOADS in inside.parts else self.root / inside


def _reap(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for its end, or it would stay behind as a zombie for as long as the app lives.

    A script that had nothing to run (a mere estimate, say) has not touched its status.
    """
    if process.wait() == DONE:
        end_begun_status(folder, process.pid)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One start at a time in one directory: a double click must not start two processes."""
    with (folder / "starting.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobError("still_running") from None
        yield
