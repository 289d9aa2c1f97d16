"""An asker over a stand-in server, with waits that a test can bear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mi_arena.llm.answers import Answers
from mi_arena.llm.ask import Wire
from mi_arena.llm.asker import Asker
from mi_arena.llm.budget import Budget
from mi_arena.llm.endpoint import Parameters, endpoint_from
from mi_arena.llm.pace import Pace
from mi_arena.llm.prices import Price
from mi_arena.llm.question import Question, Said
from mi_arena.llm.stop import Stop

KEY = "sk-test-0123456789"
PRICE = Price(2.0, 8.0, "a price of the test")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def question(text: str = "你好", schema: dict[str, Any] | None = None, **more: Any) -> Question:
    return Question((Said("user", text),), schema, **more)


@dataclass
class Desk:
    asker: Asker
    stop: Stop
    wire: Wire
    budget: Budget
    notes: list[str] = field(default_factory=list)


@asynccontextmanager
async def desk(
    url: str,
    folder: Path,
    limit: float | None = None,
    price: Price = PRICE,
    at_once: int = 4,
    timeout: float = 20,
    tries: int = 6,
    parameters: Parameters | None = None,
) -> AsyncIterator[Desk]:
    endpoint = endpoint_from(
        "gpt-test",
        url,
        parameters or Parameters(0.5, None, 100),
        timeout,
        {"OPENAI_API_KEY": KEY},
    )
    notes: list[str] = []
    stop, wire = Stop(), Wire(endpoint)
    with Answers(folder / "answers.sqlite") as answers:
        budget = Budget(stop, limit, answers.spent(price) or 0.0)
        pace = Pace(stop, at_once, first_wait=0.01)
        asker = Asker(wire, answers, stop, pace, budget, price, tries, notes.append)
        try:
            yield Desk(asker, stop, wire, budget, notes)
        finally:
            await wire.close()
