"""A rewriting as a task: what it is made by, what it does with a dialogue, what it would ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mi_arena.dialogue import Dialogue
from mi_arena.llm.dead_letters import Ask, DeadLetter
from mi_arena.llm.estimate import Look, Questions
from mi_arena.llm.question import Question
from mi_arena.llm.work_through import Result, Work
from training.transcribe.prompt import GROWTH, material
from training.transcribe.rewrite import How, rewrite, unfit

LENGTHS = f"an answer is taken to be {GROWTH} times as long as its dialogue"


def made_by(how: How) -> dict[str, Any]:
    """What must not change between runs that go on in one place."""
    return {
        "prompt_version": how.prompt.version,
        "prompt_sha256": how.prompt.sha256,
        "keep_client": "all" if how.keep_client is None else sorted(how.keep_client),
    }


def work_of(how: How) -> Work:
    async def work(source: Dialogue, ask: Ask) -> Result:
        found = await rewrite(source, ask, how)
        return found if isinstance(found, DeadLetter) else found.model_dump()

    return work


def questions_of(how: How) -> Questions:
    def questions(source: Dialogue, look: Look) -> DeadLetter | Iterable[Question]:
        return unfit(source, how) or [
            how.prompt.question(material(source), how.keeps_client(source.source))
        ]

    return questions
