"""How often the Hub is asked: commits within its quota, and longer waits after each failure."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

COMMITS_AN_HOUR = 60
"""The Hub allows about 128 for one repository, and others may commit to it too."""
AT_ONCE = 10
FIRST, LONGEST = 1.0, 600.0
"""Seconds between two tries."""


class Quota:
    """A bucket of ``at_once`` commits that fills again by ``an_hour``."""

    def __init__(
        self,
        an_hour: float = COMMITS_AN_HOUR,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._each, self._at_once, self._clock = 3600 / an_hour, at_once, clock
        self._left, self._seen = float(at_once), clock()

    def take(self) -> bool:
        """Use one up; false when there is none."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._seen) / self._each)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def pause(failures: int, asked: float = 0.0, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait after so many failures in a row, at least what the server asked for.

    Doubled each time and then shortened by up to a half at random, so that several processes that
    failed together don't come back together.
    """
    longest = min(LONGEST, FIRST * 2 ** min(failures - 1, 30))
    return max(longest * (1 - chance() / 2), asked * (1 + chance() / 10))
