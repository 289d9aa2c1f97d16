"""Tries again what fails in passing: waits longer each time, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from mi_arena.hub.hub_errors import HUB_ERRORS, hub_line, passes, wait_asked

T = TypeVar("T")

FIRST = 1.0
LONGEST = 60.0


@dataclass
class Patience:
    """The library retries listings, uploads and downloads a few times within seconds; this is for
    what it doesn't retry (commits, jobs), and for an outage that lasts longer."""

    say: Callable[[str], None]
    limit: float
    """Seconds of failing after which the error is let through."""
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, what: str, call: Callable[[], T]) -> T:
        """Raises the last error when patience is at its end, and at once if it won't pass."""
        failing, wait, tries = 0.0, FIRST, 0
        while True:
            began = time.monotonic()
            try:
                result = call()
            except HUB_ERRORS as error:
                tries += 1
                pause = max(wait_asked(error) or 0.0, wait)
                spent = time.monotonic() - began
                if not passes(error) or failing + spent + pause > self.limit:
                    raise
                if tries & (tries - 1) == 0:  # the first, second, fourth, eighth …
                    self.say(f"{what}: {hub_line(error)}; {self._told(tries, failing + spent)}")
            else:
                if failing:
                    self.say(f"{what}: went well, after {failing:.0f} s")
                return result
            self.sleep(pause)
            failing, wait = failing + spent + pause, min(LONGEST, wait * 2)

    def _told(self, tries: int, failing: float) -> str:
        """A time of day stays true in a log that is read later."""
        times = "once" if tries == 1 else f"{tries} times"
        until = datetime.now(UTC) + timedelta(seconds=self.limit - failing)
        return f"tried {times}, giving up at {until:%H:%M:%S} UTC"
