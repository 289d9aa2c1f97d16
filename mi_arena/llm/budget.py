"""A limit on what is spent. What is in flight counts by its estimate, so that the limit holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mi_arena.jobs.script import LimitReached
from mi_arena.llm.stop import Stop


class Budget:
    """``spent`` begins with what the kept answers have cost. ``limit`` None sets no limit."""

    def __init__(self, stop: Stop, limit: float | None = None, spent: float = 0.0) -> None:
        self.limit, self.spent = limit, spent
        self._stop = stop
        self._in_flight = 0.0
        self._paid = self._estimated = 0.0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def held(self, estimate: float) -> AsyncIterator[None]:
        """Hold ``estimate`` USD while a question is asked; book its cost with `pay`.

        Waits while only the estimates in flight stand in the way; raises ``LimitReached`` when the
        question would go beyond the limit even so. The limit is overrun by no more than the
        estimates are wrong, and they learn from what was paid.
        """
        amount = estimate
        while self.limit is not None:
            self._stop.check()
            amount = estimate * self._too_low()
            if self.spent + amount > self.limit:
                raise LimitReached(
                    f"stopped by --max-cost {self.limit:g}: {self.spent:.4f} USD are spent and the "
                    f"next request is estimated at {amount:.4f} USD"
                )
            if self.spent + self._in_flight + amount <= self.limit:
                break
            await self._changed.wait()
        self._in_flight += amount
        try:
            yield
        finally:
            self._in_flight -= amount
            self._changed.set()
            self._changed = asyncio.Event()

    def pay(self, cost: float, estimate: float) -> None:
        self.spent += cost
        self._paid += cost
        self._estimated += estimate

    def _too_low(self) -> float:
        """By what the estimates have been too low so far, 1 at least."""
        return max(1.0, self._paid / self._estimated) if self._estimated else 1.0
