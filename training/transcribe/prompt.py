"""What the model is asked: our prompt, in its own file with a version (``prompt_v1.md``).

Knows how a source dialogue becomes a question; what a good answer is, `checks` knows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mi_arena.dialogue import Dialogue, Message, turns
from mi_arena.llm.prompt_file import PromptFile, load_prompt_file
from mi_arena.llm.question import Question, Said
from mi_arena.llm.tokens import tokens_of

FILE = "prompt_v1.md"
LONGEST_TO_SEND_BACK = 8000
"""Characters of a failed answer that go back to the model with the reasons."""
TOKENS_OF_A_TURN = 16
"""What JSON takes around a turn."""
GROWTH = 1.3
"""How much longer than its source a rewriting is taken to be, for estimates."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "role": {"type": "string", "enum": ["client", "counselor"]},
                    "content": {"type": "string"},
                },
                "required": ["role", "content"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["messages"],
    "additionalProperties": False,
}


class Prompt(PromptFile):
    """A version of the prompt."""

    def question(self, source: Sequence[Message], keep_client: bool) -> Question:
        """The first request for a source (see `material`)."""
        variant = self.parts["client-kept" if keep_client else "client-follows"]
        listed = [{"role": m.role, "content": m.content} for m in source]
        rounds = sum(m.role == "client" for m in source)
        task = (
            self.parts["task"]
            .replace("{rounds}", str(rounds))
            .replace("{source}", json.dumps({"messages": listed}, ensure_ascii=False))
        )
        size = sum(tokens_of(m.content) + TOKENS_OF_A_TURN for m in source)
        return Question(
            messages=(
                Said("system", f"{self.parts['common']}\n\n{variant}"),
                Said("user", task),
            ),
            schema=SCHEMA,
            schema_name="mi_dialogue",
            expected_tokens=round(size * GROWTH) + TOKENS_OF_A_TURN,
        )

    def again(self, first: Question, answer: str, reasons: Sequence[str], attempt: int) -> Question:
        """The request after a failed one: the last answer and why it failed, in Chinese.

        Only the last answer goes along, so that requests don't grow. ``attempt`` (from 2) stands
        in the text and so makes each attempt a request of its own.
        """
        listed = "\n".join(f"- {reason}" for reason in reasons)
        told = (
            self.parts["again"].replace("{attempt}", str(attempt - 1)).replace("{reasons}", listed)
        )
        return Question(
            messages=(
                *first.messages,
                Said("assistant", answer[:LONGEST_TO_SEND_BACK] or "（空）"),
                Said("user", told),
            ),
            schema=first.schema,
            schema_name=first.schema_name,
            expected_tokens=first.expected_tokens,
        )


def load_prompt() -> Prompt:
    return Prompt(**vars(load_prompt_file("training.transcribe", FILE)))


def material(source: Dialogue) -> list[Message]:
    """The source as it is rewritten: client and counsellor turns, from the client's first on.

    Messages of one role that follow each other are one turn; what a counsellor says before the
    client's first word is left out.
    """
    spoken = turns(message for message in source.messages if message.role != "system")
    found = [Message(role=role, content=text.strip()) for role, text in spoken]
    while found and found[0].role != "client":
        found = found[1:]
    return found
