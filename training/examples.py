"""Dialogues to training examples, with a count of everything that was left out or cut.

Knows dialogues and chat formats; knows no model, no optimiser and no batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mi_arena.chat_formats import ChatFormat, Example
from mi_arena.dialogue import Dialogue, Message


@dataclass
class Counts:
    """What became of the dialogues that were read. Nothing is dropped outside these numbers."""

    read: int = 0
    used: int = 0
    left_out_test_split: int = 0
    left_out_quality: int = 0
    left_out_no_counselor_turn: int = 0
    left_out_too_long: int = 0
    """Dialogues of which not even the first round fits."""
    cut: int = 0
    """Used dialogues that lost late rounds."""
    rounds_cut: int = 0
    """Counsellor turns lost in them."""


@dataclass(frozen=True)
class Size:
    """How long a dialogue is, all of it, and what it loses."""

    id: str
    tokens: int
    rounds_cut: int


@dataclass
class ExampleSet:
    """Examples beside the (whole) dialogues they were made of, in the order of the file."""

    dialogues: list[Dialogue] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    sizes: list[Size] = field(default_factory=list)
    """Of these dialogues, and of those that are too long to be used."""


def cut_at_round(
    messages: Sequence[Message], chat: ChatFormat, max_length: int
) -> tuple[Example | None, int, int]:
    """The longest run of whole rounds from the start that fits; how many rounds were lost, and how
    many tokens all rounds have.

    What follows the last counsellor turn has nothing to learn in it and is never part of it.
    ``None`` when not even the first round fits.
    """
    ends = [i + 1 for i, message in enumerate(messages) if message.role == "counselor"]
    whole = 0
    for lost, end in enumerate(reversed(ends)):
        example = chat.example(messages[:end])
        whole = max(whole, len(example.input_ids))
        if len(example.input_ids) <= max_length:
            return example, lost, whole
    return None, len(ends), whole


def with_prompt(messages: Sequence[Message], system_prompt: str | None) -> list[Message]:
    """The messages under this system prompt, if one is given."""
    if system_prompt is None:
        return list(messages)
    said = [message for message in messages if message.role != "system"]
    return [Message(role="system", content=system_prompt), *said]


def build_examples(
    dialogues: Iterable[Dialogue],
    chat: ChatFormat,
    max_length: int,
    only_quality: str | None,
    system_prompt: str | None = None,
) -> ExampleSet:
    """Examples of at most ``max_length`` ids, loss on counsellor turns only.

    A system prompt stands before every dialogue, in place of one that it brings.

    Left out and counted: dialogues marked ``meta.split = test``; those whose ``quality`` is set
    and is not ``only_quality`` (when that is given); those without a counsellor turn.
    """
    made = ExampleSet()
    counts = made.counts
    for dialogue in dialogues:
        counts.read += 1
        quality = (dialogue.model_extra or {}).get("quality")
        if dialogue.meta.get("split") == "test":
            counts.left_out_test_split += 1
        elif None not in (only_quality, quality) and quality != only_quality:
            counts.left_out_quality += 1
        elif not any(message.role == "counselor" for message in dialogue.messages):
            counts.left_out_no_counselor_turn += 1
        else:
            messages = with_prompt(dialogue.messages, system_prompt)
            example, lost, whole = cut_at_round(messages, chat, max_length)
            made.sizes.append(Size(dialogue.id, whole, lost))
            if example is None:
                counts.left_out_too_long += 1
                continue
            counts.used += 1
            counts.cut += lost > 0
            counts.rounds_cut += lost
            made.dialogues.append(dialogue)
            made.examples.append(example)
    return made


def held_out(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices to train on and to validate on, both ascending; at least one is held out if asked."""
    if share == 0:
        return list(range(count)), []
    order = np.random.default_rng(seed).permutation(count)
    held = max(1, round(count * share))
    return sorted(map(int, order[held:])), sorted(map(int, order[:held]))


def manifest_hash(dialogues: Iterable[Dialogue]) -> str:
    """sha256 over the dialogues' canonical JSON, one a line, sorted: the order does not matter."""
    lines = sorted(
        json.dumps(d.model_dump(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        for d in dialogues
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
