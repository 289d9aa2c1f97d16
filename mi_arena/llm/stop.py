"""A wish to stop, heard by all who wait: no new request and no new try; what is in flight ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

from mi_arena.jobs.script import LimitReached


class Stop:
    """Asked for once; the first reason stays."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._asked = asyncio.Event()

    def ask_for(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._asked.set()

    def check(self) -> None:
        """Raises ``LimitReached`` when a stop has been asked for."""
        if self.reason is not None:
            raise LimitReached(self.reason)

    async def sleep(self, seconds: float) -> None:
        """Sleep, and wake with ``LimitReached`` when a stop is asked for meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)
        self.check()

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask for a stop; a second one ends the process at once."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)

        def heard(number: signal.Signals) -> None:
            self.ask_for(f"stopped by {number.name}")
            for each in signals:
                loop.remove_signal_handler(each)

        for number in signals:
            loop.add_signal_handler(number, heard, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
