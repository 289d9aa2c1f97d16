"""The arena gives way to training: its models leave the device while runs wait for it or use it.

A thread of the app watches the line of runs. While it serves, it holds the serving lock, shared;
letting go of it is what a run at the head of the line waits for. Whichever process is killed, the
kernel lets go of what it held, and the other goes on.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from mi_arena.jobs.turns import POLL_SECONDS, Line, let_go, lock_if_free

log = logging.getLogger(__name__)


class GivingWay:
    """``pause`` returns once the models are off the device; ``resume`` lets them come back."""

    def __init__(
        self,
        root: Path,
        pause: Callable[[], None],
        resume: Callable[[], None],
        poll_seconds: float = POLL_SECONDS,
    ):
        """Begins paused where a run is there already. Raises ``BadInput`` if root can't be used."""
        self._line = Line(root)
        self._pause, self._resume = pause, resume
        self._lock = self._line.serving_lock()
        self._closing = threading.Event()
        self._serving = self._may_serve()
        if not self._serving:
            pause()
        self._thread = threading.Thread(
            target=self._watch, args=(poll_seconds,), name="giving-way", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop watching and let go; whatever was in use must have ended."""
        self._closing.set()
        self._thread.join()
        let_go(self._lock)

    def _watch(self, poll_seconds: float) -> None:
        told = False
        while not self._closing.wait(poll_seconds):
            try:
                self._look()
                told = False
            except Exception:
                if not told:  # once, and not twice a second
                    log.exception("the line of runs cannot be watched; trying on")
                told = True

    def _look(self) -> None:
        if self._serving and self._line.numbers():
            self._pause()
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._serving = False
        elif not self._serving and self._may_serve():
            self._serving = True
            self._resume()

    def _may_serve(self) -> bool:
        """Nobody is in line, and the lock is ours. Who draws a ticket meanwhile waits for it."""
        return not self._line.numbers() and lock_if_free(self._lock, fcntl.LOCK_SH)
