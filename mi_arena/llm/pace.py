"""How fast to ask: so many at once, and everybody pauses when the endpoint says so.

Reads the headers by which endpoints say so. Knows no request and no answer.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mi_arena.llm.stop import Stop

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FIRST_DATE = 1e9
"""Plain numbers from here on are moments (seconds since 1970), not lengths."""


class Pace:
    """Lets ``at_once`` requests through at a time, and none while a pause lasts."""

    def __init__(
        self,
        stop: Stop,
        at_once: int = 4,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        now: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self.at_once = at_once
        self._stop, self._now = stop, now
        self._first_wait, self._longest_wait = first_wait, longest_wait
        self._slots = asyncio.Semaphore(at_once)
        self._paused_until = float("-inf")
        # Spreads the tries; no result depends on it.
        self._chance = chance or random.Random()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a free slot and for the end of any pause. Raises ``LimitReached`` on a stop."""
        async with self._slots:
            while (left := self._paused_until - self._now()) > 0:
                # A little later each, or all would come at the same instant.
                await self._stop.sleep(left + self._chance.uniform(0, min(0.1 * left, 1.0)))
            self._stop.check()
            yield

    def pause(self, seconds: float) -> None:
        """Nobody asks for that long; the longest pause wins."""
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def wait_after(self, failures: int) -> float:
        """Seconds before the next try: doubling, with jitter, after ``failures`` (from 1)."""
        full = min(self._longest_wait, self._first_wait * 2 ** min(failures - 1, 16))
        return full * self._chance.uniform(0.5, 1.0)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that ``Retry-After`` (seconds or a date) or ``retry-after-ms`` asks for."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def used_up(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds until a used-up allowance comes back: the longest ``x-ratelimit-reset-*`` whose
    ``x-ratelimit-remaining-*`` is 0; ``None`` when there is none."""
    waits = []
    for name, value in headers.items():
        prefix, found, what = name.lower().partition("-remaining")
        if not found or not prefix.endswith("ratelimit") or _number(value) != 0:
            continue
        wait = _reset(headers.get(f"{prefix}-reset{what}", ""), now or datetime.now(UTC))
        if wait is not None:
            waits.append(wait)
    return max(waits, default=None)


def _reset(text: str, now: datetime) -> float | None:
    number = _number(text)
    if number is not None:
        if number >= _FIRST_DATE * 1000:
            number /= 1000
        return number if number < _FIRST_DATE else max(0.0, number - now.timestamp())
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in parts)


def _number(text: str | None) -> float | None:
    """A finite number that is not below 0, or ``None``."""
    if text is None or not re.fullmatch(r"\s*\d{1,18}(\.\d*)?\s*", text, re.ASCII):
        return None
    return float(text)
