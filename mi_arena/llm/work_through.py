"""A whole file of dialogues, worked through: many at once, written in the order of the input.

Knows files and the run directory; what happens to one dialogue is its caller's ``work``.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from mi_arena.dialogue import Dialogue
from mi_arena.jobs.growing import GrowingFile
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.llm.answers import Answers
from mi_arena.llm.ask import Wire
from mi_arena.llm.asker import Asker
from mi_arena.llm.budget import Budget
from mi_arena.llm.dead_letters import Ask, DeadLetter
from mi_arena.llm.dialogue_task import Task
from mi_arena.llm.many import each
from mi_arena.llm.pace import Pace
from mi_arena.llm.stop import Stop

BETWEEN_METRICS = 0.5
"""Seconds between two lines of metrics."""

Result = dict[str, Any] | DeadLetter
"""What is written of a dialogue, or why there is nothing."""
Work = Callable[[Dialogue, Ask], Awaitable[Result]]


@dataclass
class Tally:
    """How a run stands. ``done`` and ``dead`` count what stands in the files."""

    total: int
    done: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    cost_note: str = ""

    def record(self) -> dict[str, Any]:
        dead = dict(sorted(self.dead.items()))
        left = self.total - self.done - self.dead.total()
        return vars(self) | {"dead": dead, "left": left}


async def work_through(
    task: Task,
    work: Work,
    tally: Tally,
    run: RunDirectory,
    answers: Answers,
    progress: Callable[[int], None] = lambda step: None,
) -> None:
    """Do ``work`` on every dialogue, into ``out`` and the dead letters; ``tally`` is kept up.

    Raises ``LimitReached`` or ``BadInput`` where it ends early; what is finished up to there stands
    in the files, and what was answered is kept.
    """
    stop = Stop()
    wire = Wire(task.endpoint)
    spent = answers.spent(task.price)
    budget = Budget(stop, task.max_cost, spent or 0.0)
    pace = Pace(stop, task.concurrency)
    asker = Asker(wire, answers, stop, pace, budget, task.price, note=run.log)

    async def of_one(dialogue: Dialogue) -> Result:
        return await work(dialogue, asker.ask)

    with closing(GrowingFile(task.out)) as out, closing(GrowingFile(task.dead)) as dead:
        writer = _Writer(task, tally, run, asker, out, dead, progress)
        try:
            with stop.on_signals():
                await each(
                    task.dialogues(),
                    of_one,
                    writer.finished,
                    stop=stop,
                    at_once=task.concurrency,
                    ahead=8 * task.concurrency + 16,
                )
            out.complete()
            dead.complete()
        finally:
            writer.tell(last=True)
            await wire.close()


class _Writer:
    """Takes results as they come, writes them in order, and tells how far it is."""

    def __init__(
        self,
        task: Task,
        tally: Tally,
        run: RunDirectory,
        asker: Asker,
        out: GrowingFile,
        dead: GrowingFile,
        progress: Callable[[int], None],
    ) -> None:
        self._task, self._tally, self._run, self._asker = task, tally, run, asker
        self._out, self._dead, self._progress = out, dead, progress
        self._waiting: dict[int, Result] = {}
        self._next = self._step = 0
        self._told_at = float("-inf")

    def finished(self, position: int, result: Result) -> None:
        self._step += 1
        self._waiting[position] = result
        if isinstance(result, DeadLetter):
            self._run.log(f"dead {result.id!a} {result.kind}: {', '.join(result.reasons)}")
        while self._next in self._waiting:
            self._write(self._waiting.pop(self._next))
            self._next += 1
        self.tell()

    def _write(self, result: Result) -> None:
        if isinstance(result, DeadLetter):
            self._dead.write(json.dumps(result.record(), ensure_ascii=False))
            self._tally.dead[result.kind] += 1
        else:
            self._out.write(json.dumps(result, ensure_ascii=False))
            self._tally.done += 1

    def tell(self, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._told_at < BETWEEN_METRICS:
            return
        self._told_at = now
        tally, asker = self._tally, self._asker
        tally.asked, tally.reused = asker.asked, asker.reused
        tally.prompt_tokens, tally.completion_tokens = asker.answers.tokens()
        tally.cost_usd = asker.answers.spent(self._task.price)
        tally.cost_note = self._task.price.note
        cost = {} if tally.cost_usd is None else {"cost_usd": round(tally.cost_usd, 6)}
        self._run.metric(
            step=self._step,
            done=tally.done,
            dead=tally.dead.total(),
            prompt_tokens=tally.prompt_tokens,
            completion_tokens=tally.completion_tokens,
            **cost,
        )
        self._run.progress(self._step)
        self._progress(self._step)
