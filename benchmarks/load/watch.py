"""Asks for the page and looks at the app's memory, once a second, for as long as the run lasts."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2

EACH = 1.0


@dataclass
class Watched:
    """Answers of the page in seconds, and memory in bytes by how long the process has lived."""

    answers: list[float] = field(default_factory=list)
    failed: int = 0
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Of the last process alone."""

    def answered_within(self, share: float) -> float:
        return sorted(self.answers)[min(len(self.answers) - 1, int(share * len(self.answers)))]

    @property
    def growth(self) -> float | None:
        """Memory of the last third of the last process's life over that of its middle third."""
        if len(self.memory) < 9 or not all(size for _, size in self.memory):
            return None
        third = len(self.memory) // 3
        middle, last = self.memory[third : 2 * third], self.memory[2 * third :]
        return statistics.median(m for _, m in last) / statistics.median(m for _, m in middle)


async def watch(url: str, memory: Callable[[], int | None], watched: Watched, until: float) -> None:
    async with httpx2.AsyncClient(timeout=30) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                (await client.get(url)).raise_for_status()
                watched.answers.append(time.monotonic() - began)
            except httpx2.HTTPError:
                watched.failed += 1
            if (size := await asyncio.to_thread(memory)) is not None:
                watched.memory.append((time.monotonic(), size))
            await asyncio.sleep(max(0.0, EACH - (time.monotonic() - began)))
