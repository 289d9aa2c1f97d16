"""How often somebody may knock: a sliding window per key and one over all keys.

In memory, for one process. It knows keys (a session, an address), not what they stand for.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable


class RateLimiter:
    """At most ``per_key`` grants for a key and ``in_all`` in all within any ``window`` seconds.

    Refused calls leave no trace, so what is kept never exceeds ``in_all`` entries, however many
    keys knock. Safe to call from several threads.
    """

    def __init__(
        self,
        per_key: int,
        in_all: int,
        window: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        if per_key < 1 or in_all < 1 or window <= 0:
            raise ValueError("per_key and in_all must be at least 1 and window above 0")
        self._per_key = per_key
        self._in_all = in_all
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._granted: deque[tuple[float, str]] = deque()
        self._by_key: dict[str, deque[float]] = {}

    def allow(self, key: str) -> float:
        """Seconds to wait before this key may come again; 0 means go, and counts."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            mine = self._by_key.get(key)
            waits = [0.0]
            if mine is not None and len(mine) >= self._per_key:
                waits.append(mine[0] + self._window - now)
            if len(self._granted) >= self._in_all:
                waits.append(self._granted[0][0] + self._window - now)
            wait = max(waits)
            if wait <= 0:
                self._granted.append((now, key))
                self._by_key.setdefault(key, deque()).append(now)
                return 0.0
            return wait

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._by_key)

    def _forget(self, now: float) -> None:
        """Drop grants that left the window, in both records: they hold the same grants."""
        while self._granted and self._granted[0][0] + self._window <= now:
            _, key = self._granted.popleft()
            times = self._by_key[key]
            times.popleft()
            if not times:
                del self._by_key[key]
