"""What came of a dialogue that a model was asked about in vain, and what asking has taken.

Knows neither what was asked nor what a good answer is: the reasons are the asker's words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mi_arena.llm.answers import Answer
from mi_arena.llm.question import Question

Ask = Callable[[Question], Awaitable[Answer]]
"""May raise ``Unanswered``; what else it raises ends the run."""


@dataclass(frozen=True)
class Failure:
    """``kind``: its name in tables and logs. ``reason``: a sentence for the model, in the prompt's
    language."""

    kind: str
    reason: str


@dataclass(frozen=True)
class DeadLetter:
    """A dialogue without a result, and why. ``tries``: the failures of each attempt."""

    id: str
    source: str
    kind: str
    """``endpoint``, ``checks``, or why it was not asked about at all."""
    tries: list[list[Failure]]
    last_answer: str | None
    used: dict[str, Any]

    @property
    def reasons(self) -> list[str]:
        """The kinds of failure, each once, in the order they came."""
        return list(dict.fromkeys(failure.kind for one in self.tries for failure in one))

    def record(self) -> dict[str, Any]:
        return asdict(self)


def used_by(answers: Sequence[Answer]) -> dict[str, Any]:
    """Attempts, tokens and cost, of every answer that was paid for, good or not."""
    costs = [answer.cost for answer in answers]
    known = [cost for cost in costs if cost is not None]
    return {
        "attempts": len(answers),
        "usage": {
            "prompt_tokens": sum(answer.prompt_tokens for answer in answers),
            "completion_tokens": sum(answer.completion_tokens for answer in answers),
            "estimated": any(answer.estimated for answer in answers),
        },
        "cost_usd": round(sum(known), 8) if len(known) == len(costs) else None,
        "cost_note": "; ".join(dict.fromkeys(answer.cost_note for answer in answers)),
    }
