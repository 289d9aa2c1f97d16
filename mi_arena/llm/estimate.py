"""What a task will take in tokens and money, before anything is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from mi_arena.dialogue import Dialogue
from mi_arena.llm.answers import Answer, Answers
from mi_arena.llm.dead_letters import DeadLetter
from mi_arena.llm.dialogue_task import Task
from mi_arena.llm.question import Question, key_of
from mi_arena.llm.tokens import HOW, tokens_of_messages

TOKENS_OF_REASONS = 200
"""What a failed attempt's reasons add to the next request."""

Look = Callable[[Question], Answer | None]
"""The kept answer to a question, if there is one."""
Questions = Callable[[Dialogue, Look], DeadLetter | Iterable[Question]]
"""What would be asked of a dialogue at the first attempts, or why nothing would be."""


def estimate(task: Task, total: int, questions: Questions, lengths: str) -> dict[str, Any]:
    """Tokens and cost of what is not answered yet; asks nothing. ``lengths``: in words, how long an
    answer is taken to be."""
    endpoint = task.endpoint
    answers = Answers(task.answers, task.run) if task.answers.exists() else None

    def look(question: Question) -> Answer | None:
        if answers is None:
            return None
        return answers.get(key_of(question, endpoint.model, endpoint.parameters))

    left_out: Counter[str] = Counter()
    requests = kept = prompt = completion = 0
    try:
        for dialogue in task.dialogues():
            asked = questions(dialogue, look)
            if isinstance(asked, DeadLetter):
                left_out[asked.kind] += 1
                continue
            for question in asked:
                if look(question) is not None:
                    kept += 1
                    continue
                requests += 1
                prompt += tokens_of_messages(question.messages)
                completion += question.expected_tokens
        spent = answers.spent(task.price) if answers else 0.0
    finally:
        if answers:
            answers.close()
    attempts, again = task.attempts, task.attempts - 1
    most_prompt = attempts * prompt + again * (completion + requests * TOKENS_OF_REASONS)
    return {
        "dialogues": total,
        "left_out": dict(sorted(left_out.items())),
        "answered_before": kept,
        "requests": requests,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost_usd": task.price.cost(prompt, completion),
        "cost_usd_at_most": task.price.cost(most_prompt, attempts * completion),
        "spent_usd": spent,
        "cost_note": task.price.note,
        "how": f"{HOW}; {lengths}; the first cost is for one attempt each, the other for "
        f"{attempts}",
    }
