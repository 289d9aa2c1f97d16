"""Starts, follows, stops and resumes scripts as processes of their own, each in its run directory.

A process outlives the app: a restarted app finds it again by its files, wherever it runs. No shell
is involved, and only the scripts that the launcher was given can be started.
"""

from __future__ import annotations

import fcntl
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from mi_arena.jobs.command import Command, kept
from mi_arena.jobs.inputs import UPLOADS
from mi_arena.jobs.places import HERE, Place, environment
from mi_arena.jobs.run_directory import STOP_NAME, begin_status
from mi_arena.jobs.viewing import RunView, all_runs, is_alive, log_tail, output_files, view_run


class JobError(ValueError):
    """A run that can't be started, stopped or resumed. ``code`` says why, for the page's words."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


class Launcher:
    """Runs of one root folder. Safe for several threads and several apps over the same folder."""

    def __init__(
        self,
        root: Path,
        scripts: Iterable[str],
        working: Path,
        secrets: Mapping[str, Collection[str]] | None = None,
    ):
        """``scripts`` are the modules that may be started, in the folder ``working``.

        ``secrets``: of a module that needs some, the variables of ``places.SECRETS`` it is given.
        """
        self.root, self._scripts, self._working = root, frozenset(scripts), working
        self._secrets = secrets or {}

    def runs(self) -> list[RunView]:
        return all_runs(self.root)

    def new_folder(self, title: str) -> Path:
        """An empty folder for a run, named after its title and the time."""
        slug = re.sub(r"[\W_]+", "-", title.lower()).strip("-") or "run"
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        folder = self.root / f"{slug}-{stamp}-{secrets.token_hex(2)}"
        folder.mkdir(parents=True)
        return folder

    def submit(
        self, folder: Path, module: str, arguments: Sequence[str], place: Place = HERE
    ) -> RunView:
        """Start a script in ``folder``. Raises ``JobError`` for one that may not be started."""
        if module not in self._scripts:
            raise JobError("no_script")
        command = Command(module, arguments, place)
        command.keep(folder)
        return self._launch(folder, command)

    def status(self, name: str) -> RunView:
        """How a run stands. Raises ``JobError`` for a name that is no run."""
        folder = self._folder(name)
        run = view_run(self.root, folder) if folder else None
        if run is None:
            raise JobError("no_run")
        return run

    def logs(self, name: str, lines: int = 200) -> list[str]:
        """The last lines of a run's log. Raises ``JobError`` for a name that is no run."""
        return log_tail(self.status(name).path, lines)

    def fetch(self, name: str) -> list[Path]:
        """The files that a run has written so far. Raises ``JobError`` for a name that is none."""
        return output_files(self.status(name).path)

    def stop(self, name: str) -> None:
        """Ask a run's process to end; it keeps what it has. Raises ``JobError`` if none runs."""
        run = self.status(name)
        if not run.active or run.pid is None or not is_alive(run.pid, run.pid_started):
            raise JobError("not_running")
        (run.path / STOP_NAME).touch()
        try:
            psutil.Process(run.pid).terminate()
        except psutil.Error:
            raise JobError("not_running") from None

    def resume(self, name: str) -> RunView:
        """The same command in the same directory and place; what is done is not done again."""
        run = self.status(name)
        try:
            command = kept(run.path)
        except (OSError, ValueError):
            raise JobError("from_a_shell") from None
        if command.module not in self._scripts:
            raise JobError("no_script")
        return self._launch(run.path, command)

    def _launch(self, folder: Path, command: Command) -> RunView:
        keeper = [sys.executable, "-m", "mi_arena.jobs.keeper", str(folder.resolve())]
        with _alone(folder), (folder / "console.txt").open("ab") as console:
            running = view_run(self.root, folder)
            if running is not None and running.active:
                raise JobError("still_running")
            (folder / STOP_NAME).unlink(missing_ok=True)
            process = subprocess.Popen(
                [*keeper, *command.words()],
                cwd=self._working,
                env=environment(self._secrets.get(command.module, ())),
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            begin_status(folder, process.pid)
            assert process.stdin is not None
            process.stdin.close()  # it waits for this
        # Without somebody who waits it would stay behind as a zombie for as long as the app lives.
        threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One start at a time in one directory: a double click must not start two processes."""
    with (folder / "starting.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobError("still_running") from None
        yield
