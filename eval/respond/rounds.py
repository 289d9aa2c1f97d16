"""The rounds of a test set: gold history up to a client turn, and the reply that followed it.

Knows no model and no system.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mi_arena.dialogue import Dialogue, Message, read_dialogues, turns
from mi_arena.jobs.dialogue_files import file_sha256, told_in_one_line
from mi_arena.jobs.script import BadInput


@dataclass(frozen=True)
class Round:
    """What is answered, and what the answer is measured against."""

    dialogue_id: str
    number: int
    """In the dialogue, from 1."""
    lang: str
    history: tuple[Message, ...]
    """Client and counsellor turns; the last is the client's."""
    reference: str


@dataclass(frozen=True)
class TestSet:
    """The rounds of a file, in its order."""

    rounds: list[Round]
    dialogues: int
    without_rounds: int
    """Dialogues in which no counsellor turn follows a client's."""
    sha256: str


def rounds_of(dialogue: Dialogue) -> list[Round]:
    """A round for each counsellor turn that answers a client's.

    Messages of one role that follow each other are one turn. What a counsellor says before the
    client's first word is history. System messages are left out: what a system is told is not the
    test set's business.
    """
    spoken = turns(message for message in dialogue.messages if message.role != "system")
    said = [Message(role=role, content=text) for role, text in spoken]
    answers = [i for i, turn in enumerate(said) if turn.role == "counselor" and i > 0]
    return [
        Round(dialogue.id, number, dialogue.lang, tuple(said[:at]), said[at].content)
        for number, at in enumerate(answers, 1)
    ]


def read_test_set(path: Path, limit: int | None = None) -> TestSet:
    """The rounds of the first ``limit`` dialogues. Raises ``BadInput`` with file and line."""
    rounds: list[Round] = []
    ids: set[str] = set()
    without = 0
    with told_in_one_line(path):
        sha256 = file_sha256(path)
        for dialogue in islice(read_dialogues(path), limit):
            if not dialogue.id or dialogue.id in ids:
                raise BadInput(
                    f"{path}: the id {dialogue.id!a} is empty or occurs twice: ids must be unique"
                )
            ids.add(dialogue.id)
            found = rounds_of(dialogue)
            without += not found
            rounds += found
    if not rounds:
        raise BadInput(f"{path}: no counsellor turn that answers a client in {len(ids)} dialogues")
    return TestSet(rounds, len(ids), without, sha256)
