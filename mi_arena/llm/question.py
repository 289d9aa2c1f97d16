"""A question to a model, and the key by which its answer is kept.

The key holds what decides the answer (model, messages, parameters, schema, sample), and nothing of
where it is asked: the same question through a proxy is the same question.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from mi_arena.llm.endpoint import Parameters


@dataclass(frozen=True)
class Said:
    """One message, in the roles of the wire."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Question:
    """Messages in, and how the answer should look."""

    messages: tuple[Said, ...]
    schema: dict[str, Any] | None = field(default=None, hash=False)
    """A JSON schema, used where the endpoint has structured output. The messages must ask for
    this JSON too, in words: not every endpoint has it."""
    schema_name: str = "answer"
    sample: int = 0
    """Tells apart answers to one question asked several times on purpose."""
    seed: int | None = None
    """Of this question's own, in the place of the parameters'."""
    expected_tokens: int = 500
    """How long the answer will be, roughly: for estimates of cost only."""


def canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()


def key_of(question: Question, model: str, parameters: Parameters) -> str:
    """SHA-256 of the canonical question, in hex."""
    facts = {
        "model": model,
        "messages": [[said.role, said.content] for said in question.messages],
        "parameters": parameters.asked(),
        "schema": question.schema,
        "sample": question.sample,
    }
    if question.seed is not None:
        facts["seed"] = question.seed
    return hashlib.sha256(canonical(facts)).hexdigest()
