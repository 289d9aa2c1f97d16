"""Ask, read, and go back with the reasons, at most so many times.

Knows no files and no pace, and not what is asked: whoever calls gives it what to ask with, how an
answer is read and how a failed one is sent back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from mi_arena.llm.answers import Answer
from mi_arena.llm.asker import Unanswered
from mi_arena.llm.dead_letters import Ask, Failure
from mi_arena.llm.question import Question

Found = TypeVar("Found")

Read = Callable[[Answer], Found]
"""Raises ``Faulty`` for an answer that won't do."""
Again = Callable[[Answer, Sequence[Failure], int], Question]
"""The request after a failed one, and which attempt it makes (from 2)."""


class Faulty(Exception):
    """An answer that won't do, and everything that is wrong with it."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(", ".join(failure.kind for failure in failures))
        self.failures = list(failures)


@dataclass(frozen=True)
class Outcome(Generic[Found]):
    """What all attempts came to."""

    found: Found | None
    """``None`` where none would do."""
    failed: Literal["endpoint", "checks"] | None
    tries: list[list[Failure]]
    """The failures of each attempt but the good one."""
    answers: list[Answer]


async def ask_until_good(
    question: Question, ask: Ask, read: Read[Found], again: Again, attempts: int
) -> Outcome[Found]:
    """The first answer that can be read."""
    answers: list[Answer] = []
    tries: list[list[Failure]] = []
    for attempt in range(1, attempts + 1):
        try:
            answer = await ask(question)
        except Unanswered as failure:
            tries.append([Failure("endpoint", str(failure))])
            return Outcome(None, "endpoint", tries, answers)
        answers.append(answer)
        try:
            return Outcome(read(answer), None, tries, answers)
        except Faulty as faulty:
            tries.append(faulty.failures)
            question = again(answer, faulty.failures, attempt + 1)
    return Outcome(None, "checks", tries, answers)
