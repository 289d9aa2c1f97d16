"""Tries again what fails in passing: waits longer each time, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
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
        failing, wait = 0.0, FIRST
        while True:
            began = time.monotonic()
            try:
                result = call()
            except HUB_ERRORS as error:
                pause = max(wait_asked(error) or 0.0, wait)
                lost = time.monotonic() - began + pause
                if not passes(error) or failing + lost > self.limit:
                    raise
                if not failing:
                    self.say(f"{what}: {hub_line(error)}; trying again")
            else:
                if failing:
                    self.say(f"{what}: went well, after {failing:.0f} s")
                return result
            self.sleep(pause)
            failing, wait = failing + lost, min(LONGEST, wait * 2)
