"""Asks a question until it is answered, and keeps the answer: what is kept is never asked again.

Never paid twice, as far as that is in our hands. An answer is kept durably as soon as it is here,
and every try of a question carries the same Idempotency-Key. With an endpoint that ignores that
header (OpenAI's documents promise nothing about it), a request that was in flight at a ``kill -9``,
at most as many as are asked at once, or whose answer was lost on the way, can be paid for twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from mi_arena.jobs.script import BadInput
from mi_arena.llm.answers import Answer, Answers
from mi_arena.llm.ask import Refused, Reply, TryAgain, Wire
from mi_arena.llm.budget import Budget
from mi_arena.llm.pace import Pace
from mi_arena.llm.prices import Price
from mi_arena.llm.question import Question, key_of
from mi_arena.llm.stop import Stop
from mi_arena.llm.tokens import tokens_of, tokens_of_messages

LONGEST_PAUSE = 3600.0
"""Seconds; an endpoint that asks for more ends the run, which can be taken up again."""
LIMITED_TRIES = 30
"""429s that one question may meet. They are not its fault, hence more than other failures."""
BETWEEN_LOOKS = 0.2
"""Seconds between two looks for an answer that another process is waiting for."""
UNANSWERED_IN_A_ROW = 10
"""Questions that the endpoint fails one after another before it is taken to be down. One that it
refuses says nothing of the others."""


class Unanswered(Exception):
    """This question stays without an answer; the line, in ASCII, says why."""

    def __init__(self, line: str, refused: bool = False) -> None:
        super().__init__(line)
        self.refused = refused
        """The endpoint doesn't take this question; otherwise the endpoint itself has failed."""


class Asker:
    """Everything that stands between a question and its answer, for one run."""

    def __init__(
        self,
        wire: Wire,
        answers: Answers,
        stop: Stop,
        pace: Pace,
        budget: Budget,
        price: Price,
        tries: int = 6,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.answers, self.budget = answers, budget
        self.asked = 0
        """Questions answered by the endpoint in this run."""
        self.reused = 0
        """Questions answered from what was kept."""
        self._wire, self._stop, self._pace, self._price = wire, stop, pace, price
        self._tries, self._note = tries, note
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._unanswered = 0

    def key(self, question: Question) -> str:
        endpoint = self._wire.endpoint
        return key_of(question, endpoint.model, endpoint.parameters)

    async def ask(self, question: Question) -> Answer:
        """The kept answer, or a new one, kept before it is returned.

        Raises ``Unanswered`` for this question, ``BadInput`` when the endpoint answers none,
        ``LimitReached`` at the cost limit or on a stop.
        """
        key = self.key(question)
        while key in self._under_way:  # asked by somebody else at this moment
            await asyncio.wait([self._under_way[key]])
        if (kept := self._kept(key)) is not None:
            return kept
        self._stop.check()
        self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            while not self.answers.claim(key):  # answered or being asked by another process
                if (kept := self._kept(key)) is not None:
                    return kept
                await self._stop.sleep(BETWEEN_LOOKS)
            try:
                return await self._new(question, key)
            finally:
                self.answers.release(key)
        finally:
            self._under_way.pop(key).cancel()

    def _kept(self, key: str) -> Answer | None:
        kept = self.answers.get(key)
        if kept is not None:
            self._unanswered = 0
            self.reused += 1
        return kept

    async def _new(self, question: Question, key: str) -> Answer:
        prompt_tokens = tokens_of_messages(question.messages)
        estimate = self._price.cost(prompt_tokens, question.expected_tokens) or 0.0
        async with self.budget.held(estimate):
            try:
                reply = await self._tried(question, key)
            except Unanswered as failure:
                if failure.refused:
                    raise
                self._unanswered += 1
                if self._unanswered >= UNANSWERED_IN_A_ROW:
                    raise BadInput(
                        f"{UNANSWERED_IN_A_ROW} requests failed one after another, the last "
                        f"because {failure}; mend that and run the same command again"
                    ) from None
                raise
            self._unanswered = 0
            self.asked += 1
            answer = self._priced(reply, prompt_tokens)
            self.budget.pay(answer.cost or 0.0, estimate)
            self.answers.keep(key, answer)
        return answer

    async def _tried(self, question: Question, key: str) -> Reply:
        failures = limited = series = 0
        while True:
            try:
                async with self._pace.turn():
                    reply = await self._wire.once(question, key, series)
                    if reply.pause:
                        self._pause(reply.pause, "allowance used up")
                    return reply
            except Refused as failure:
                raise Unanswered(str(failure), refused=True) from None
            except TryAgain as failure:
                limited += failure.limited
                failures += not failure.limited
                series += failure.replayed
                if failures >= self._tries or limited >= LIMITED_TRIES:
                    if failure.unreachable and not self.asked:
                        raise BadInput(
                            f"{failure}: check --base-url and the network, then run the same "
                            "command again"
                        ) from None
                    raise Unanswered(f"{failure} ({failures + limited} tries)") from None
                await self._wait(failure, max(failures, limited))

    async def _wait(self, failure: TryAgain, failures: int) -> None:
        if failure.wait:
            self._pause(failure.wait, str(failure))
        elif failure.limited:
            self._pause(self._pace.wait_after(failures), str(failure))
        else:
            await self._stop.sleep(self._pace.wait_after(failures))

    def _pause(self, seconds: float, why: str) -> None:
        if seconds > LONGEST_PAUSE:
            raise BadInput(
                f"the endpoint asks to wait {seconds:.0f} seconds: run the same command again then"
            )
        self._pace.pause(seconds)
        self._note(f"pause {seconds:.1f} s: {why}")

    def _priced(self, reply: Reply, prompt_tokens: int) -> Answer:
        estimated = reply.prompt_tokens is None or reply.completion_tokens is None
        if estimated:
            used = (prompt_tokens, tokens_of(reply.text))
        else:
            used = (reply.prompt_tokens or 0, reply.completion_tokens or 0)
        note = self._price.note + ("; tokens estimated, no usage given" if estimated else "")
        return Answer(
            text=reply.text,
            finish=reply.finish,
            refused=reply.refused,
            model=reply.model,
            prompt_tokens=used[0],
            completion_tokens=used[1],
            estimated=estimated,
            cost=self._price.cost(*used),
            cost_note=note,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
