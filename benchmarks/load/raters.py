"""Raters who talk and judge without end, put up with every fault, and write down what they saw."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from benchmarks.load.page_client import NoAnswer, Page, Tab

TOPICS = ("smoking", "alcohol", "diet", "exercise", "sleep")
SAID = (
    "我想改一改，可是一忙起来就忘了。",
    "家里人催我，我自己还没想好。",
    "上周试过两天，后来又回去了。",
    "说真的，我也担心身体。",
    "要是能从一件小事开始就好了。",
)
OVERALL = ("A", "B", "tie", "both_unacceptable")
ROUNDS = 2
AWAY_SECONDS = 0.5
LAST_SECONDS = 20.0
"""How long a rater whose time is over still waits for an answer: a queued turn may take longer."""


@dataclass
class Seen:
    """What raters were told, all of them together."""

    until: float
    """By the monotonic clock: later than this nobody begins another step."""
    receipts: list[str] = field(default_factory=list)
    """Of judgements that a page said are stored."""
    told: Counter[str] = field(default_factory=Counter)
    """Faults that a page told its rater, by place."""
    silent: int = 0
    """Answers that brought neither what was asked for nor a word why not: there must be none."""
    away: int = 0
    """Calls without an answer: the server was down, or went down."""
    rounds: int = 0
    ended: int = 0
    """Battles that ended unjudged, as two withheld replies or a sign of danger end them."""


class _OverError(Exception):
    pass


async def rate(client: httpx2.AsyncClient, page: Page, number: int, seen: Seen) -> None:
    """One rater, until the clock says so."""
    chance = random.Random(number)
    tab = Tab(client, page)
    try:
        while True:
            await _battle(tab, page, chance, seen)
    except _OverError:
        return


async def _battle(tab: Tab, page: Page, chance: random.Random, seen: Seen) -> None:
    await _again(seen, lambda: tab.call(page.handler(None, "load")))
    await _again(seen, lambda: tab.call(page.handler("agree", "click")))
    topic = chance.choice(TOPICS)
    for number in range(ROUNDS):
        text = "".join(chance.sample(SAID, 2))
        if not await _say(tab, page, topic, text, number, seen):
            seen.ended += 1
            await _again(seen, lambda: tab.call(page.handler("restart", "click")))
            return
        seen.rounds += 1
    seen.receipts.append(await _judge(tab, page, chance.choice(OVERALL), seen))
    await _again(seen, lambda: tab.call(page.handler("again", "click")))


async def _say(tab: Tab, page: Page, topic: str, text: str, number: int, seen: Seen) -> bool:
    """Until the page shows one round more, both of its replies whole; false where the battle ends
    instead."""
    send, retry = page.handler("send", "click"), page.handler("retry", "click")
    followed = page.after(send)
    shown: dict[str, Any] = {}
    while True:
        if shown.get("retry:visible"):
            told = await _again(seen, lambda: tab.call(retry))
        elif _answering(shown):
            told = {}
        elif shown.get("send:visible", True):
            told = await _again(seen, lambda: tab.call(send, topic=topic, text=text))
        else:
            return False
        if told.get("problem"):
            seen.told["saying"] += 1
            await asyncio.sleep(AWAY_SECONDS)
        else:
            await _again(seen, lambda: tab.call(followed))
            shown = await _again(seen, lambda: tab.call(page.after(followed)))
            if _whole_rounds(shown) > number:
                return True
        # What the page shows may be of before a restart.
        shown = await _again(seen, lambda: tab.call(page.handler(None, "load")))
        if _whole_rounds(shown) > number:
            return True


async def _judge(tab: Tab, page: Page, overall: str, seen: Seen) -> str:
    """Until the page says that it is stored; its receipt."""
    submit = page.handler("submit", "click")
    while True:
        told = await _again(seen, lambda: tab.call(submit, overall=overall))
        if receipt := told.get("receipt"):
            return str(receipt)
        if told.get("judge-problem"):
            seen.told["judging"] += 1
        else:
            seen.silent += 1
        await asyncio.sleep(AWAY_SECONDS)
        shown = await _again(seen, lambda: tab.call(page.handler(None, "load")))
        if receipt := shown.get("receipt"):
            return str(receipt)  # its answer was lost, and the page says so now


async def _again(seen: Seen, call: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    while (left := seen.until - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left + LAST_SECONDS):
                return await call()
        except NoAnswer:
            seen.away += 1
            await asyncio.sleep(AWAY_SECONDS)
        except TimeoutError:
            break
    raise _OverError


def _whole_rounds(shown: dict[str, Any]) -> int:
    """Without one whose replies broke off, which stands there too."""
    rounds = str(shown.get("finished") or "").count('class="round"')
    return rounds - bool(shown.get("retry:visible"))


def _answering(shown: dict[str, Any]) -> bool:
    """Replies that are whole but not stored yet among them: the page may still be told to stop."""
    return bool(shown.get("stop:visible"))
