"""Much work with many requests, in bounded memory and with a clean end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from mi_arena.jobs.script import LimitReached
from mi_arena.llm.stop import Stop

Item = TypeVar("Item")
Result = TypeVar("Result")


async def each(
    items: Iterable[Item],
    work: Callable[[Item], Awaitable[Result]],
    finished: Callable[[int, Result], None],
    *,
    stop: Stop,
    at_once: int,
    ahead: int,
) -> None:
    """Do ``work`` on every item, ``at_once`` at a time; ``finished`` gets each result, as they
    come, with its item's position.

    Items are drawn only when they are begun, and none further than ``ahead`` behind the oldest
    unfinished one: whoever puts results in order holds at most ``ahead`` of them. On a stop, or
    when one work raises, nothing new is begun and what is under way ends by itself; then the first
    error is raised, or ``LimitReached`` with the stop's reason where something is left to do.
    """
    drawn = iter(items)
    running: dict[asyncio.Future[Result], int] = {}
    position, exhausted, left = 0, False, False
    error: Exception | None = None
    while True:
        while not exhausted and stop.reason is None and len(running) < at_once:
            if running and position - min(running.values()) >= ahead:
                break
            try:
                item = next(drawn)
            except StopIteration:
                exhausted = True
                break
            except Exception as wrong:
                error = error or wrong
                stop.ask_for("the input cannot be read on")
                break
            running[asyncio.ensure_future(work(item))] = position
            position += 1
        if not running:
            break
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in sorted(done, key=running.__getitem__):
            place = running.pop(task)
            try:
                finished(place, task.result())
            except LimitReached as limit:
                left = True
                stop.ask_for(str(limit))
            except Exception as wrong:
                error = error or wrong
                stop.ask_for("ended by an error")
    if error is not None:
        raise error
    if left or not exhausted:
        stop.check()
