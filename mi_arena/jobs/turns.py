"""Whose turn it is on the accelerator: one run at a time, the others wait in line.

The line is a folder of tickets beside the runs, one file each, locked by the process that drew it.
The kernel lets go of the lock however that process ends, and whoever looks sweeps away a ticket
that nobody holds. A second lock tells whether the arena serves from the same device. Knows no GPU.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mi_arena.jobs.script import BadInput

FOLDER = ".accelerator"
TICKET = ".ticket"
POLL_SECONDS = 0.5


class Line:
    """The line of one root of runs; any number of processes and threads may use it."""

    def __init__(self, root: Path):
        """Raises ``BadInput`` when the root can't be written."""
        self._folder = root / FOLDER
        try:
            with self._alone():
                pass
        except OSError as error:
            raise BadInput(
                f"{self._folder}: cannot be written: {error.strerror}; runs wait in line there, so "
                "name a writable folder for them"
            ) from None

    def numbers(self) -> list[int]:
        """The tickets whose processes live, the first in line first."""
        with self._alone():
            return self._living()

    @contextmanager
    def ticket(self) -> Iterator[int]:
        """A place at the end of the line, for as long as this process lives and stays inside."""
        with self._alone():
            number = max(self._living(), default=0) + 1
            held = self._file(number).open("xb")
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield number
        finally:
            with self._alone():
                self._file(number).unlink(missing_ok=True)
            let_go(held)

    def serving_lock(self) -> BinaryIO:
        """The file that is locked, shared, by who serves, and, exclusively, by who trains."""
        return (self._folder / "serving.lock").open("ab")

    def _living(self) -> list[int]:
        found = []
        for file in self._folder.glob(f"*{TICKET}"):
            with file.open("ab") as ticket:
                if lock_if_free(ticket, fcntl.LOCK_EX):
                    file.unlink()
                else:
                    found.append(int(file.stem))
        return sorted(found)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06}{TICKET}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one at a time draws, counts or sweeps: a ticket just made is not locked yet."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "line.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def turn(
    root: Path, waiting: Callable[[int], None], poll_seconds: float = POLL_SECONDS
) -> Iterator[None]:
    """The accelerator for this process alone, among all runs under ``root``.

    ``waiting`` is told how many are ahead, as often as that changes; 0 while the arena still makes
    room. Not called at all when there is nothing to wait for. An interruption leaves the line.
    """
    line = Line(root)
    with line.ticket() as number, line.serving_lock() as lock:
        told = None
        while True:
            ahead = sum(other < number for other in line.numbers())
            if not ahead and lock_if_free(lock, fcntl.LOCK_EX):
                break
            if ahead != told:
                waiting(ahead)
                told = ahead
            time.sleep(poll_seconds)
        try:
            yield
        finally:
            let_go(lock)


def lock_if_free(file: BinaryIO, how: int) -> bool:
    """Lock a file shared or exclusively (``fcntl.LOCK_…``); False where somebody is in the way."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def let_go(file: BinaryIO) -> None:
    """Unlock and close; closing alone would leave the lock with a forked child."""
    fcntl.flock(file, fcntl.LOCK_UN)
    file.close()
