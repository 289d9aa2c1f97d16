"""Everything of a run that is asked over the network: one stop, one budget, one file of answers.

Knows neither clients nor counsellors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mi_arena.jobs.script import BadInput
from mi_arena.llm.answers import Answers
from mi_arena.llm.ask import Wire
from mi_arena.llm.asker import Asker, Unanswered
from mi_arena.llm.budget import Budget
from mi_arena.llm.endpoint import Endpoint
from mi_arena.llm.many import each
from mi_arena.llm.pace import Pace
from mi_arena.llm.prices import Price
from mi_arena.llm.stop import Stop

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Priced:
    """A model behind an endpoint, and what it costs."""

    endpoint: Endpoint
    price: Price


@dataclass(frozen=True)
class HowToAsk:
    """How all of them are asked."""

    answers: Path
    run: Path
    at_once: int
    max_cost: float | None


class Exchange:
    """Ways to models, which stop together and are paid from one budget.

    Nothing is opened before the first of them is wanted.
    """

    def __init__(self, how: HowToAsk, stop: Stop, note: Callable[[str], None]):
        self.how, self.stop, self._note = how, stop, note
        self._wires: list[Wire] = []
        self._answers: Answers | None = None
        self._budget: Budget | None = None

    def asker(self, to: Priced) -> Asker:
        if self._answers is None:
            self._answers = Answers(self.how.answers, self.how.run)
        if self._budget is None:
            # With a limit every price is known, so that any of them gives the same sum.
            spent = self._answers.spent(to.price) or 0.0
            self._budget = Budget(self.stop, self.how.max_cost, spent)
        wire = Wire(to.endpoint)
        self._wires.append(wire)
        pace = Pace(self.stop, self.how.at_once)
        return Asker(wire, self._answers, self.stop, pace, self._budget, to.price, note=self._note)

    async def each(
        self,
        items: Sequence[Item],
        work: Callable[[Item], Awaitable[Result]],
        named: Callable[[Item], str],
    ) -> list[Result]:
        """What ``work`` makes of every item, in their order.

        Raises ``LimitReached`` on a stop, and ``BadInput``, after all others were asked, when some
        stayed unanswered; ``named`` says which the first was.
        """
        found: dict[int, Result] = {}
        unanswered: list[str] = []

        async def tried(item: Item) -> tuple[Result | None, str | None]:
            try:
                return await work(item), None
            except Unanswered as failure:
                return None, f"{named(item)}: {failure}"

        def take(position: int, result: tuple[Result | None, str | None]) -> None:
            made, failure = result
            if failure is not None:
                unanswered.append(failure)
            elif made is not None:
                found[position] = made

        at_once = self.how.at_once
        await each(items, tried, take, stop=self.stop, at_once=at_once, ahead=len(items) or 1)
        if unanswered:
            raise BadInput(
                f"{len(unanswered)} requests stayed unanswered, the first: {unanswered[0]}; the "
                "same command asks for these again"
            )
        return [found[i] for i in range(len(items))]

    async def aclose(self) -> None:
        for wire in self._wires:
            await wire.close()
        if self._answers is not None:
            self._answers.close()
