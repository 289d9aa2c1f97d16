"""Dialogue files in, usable dialogues out, with a count of everything that was left out.

Knows files and records; knows nothing of groups, sizes and splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mi_arena.dialogue import Dialogue, is_flagged, read_dialogues
from mi_arena.jobs.dialogue_files import file_sha256, told_in_one_line
from mi_arena.jobs.script import BadInput

REASONS = ("crisis", "no_client_turn", "no_counselor_turn", "empty_turn", "same_record_again")
"""Why a dialogue is left out; each is counted for its first reason."""


@dataclass(frozen=True)
class InputFile:
    """A file by its name alone, so that nothing of this machine's folders is published."""

    name: str
    sha256: str
    dialogues: int


@dataclass(frozen=True)
class Intake:
    dialogues: list[Dialogue]
    """The usable ones, by id: the order of files and lines does not matter from here on."""
    files: list[InputFile]
    left_out: Counter[str]

    @property
    def read(self) -> int:
        return sum(file.dialogues for file in self.files)


def take_in(paths: Iterable[Path], with_crisis: bool = False) -> Intake:
    """Read dialogue files. Raises ``BadInput`` for a bad file or one id with two records."""
    kept: dict[str, Dialogue] = {}
    seen_in: dict[str, Path] = {}
    left_out: Counter[str] = Counter()
    files = []
    for path in paths:
        count = 0
        for dialogue in dialogues_of(path):
            count += 1
            if dialogue.id in seen_in:
                _check_same(dialogue, kept.get(dialogue.id), path, seen_in[dialogue.id])
                left_out["same_record_again"] += 1
                continue
            seen_in[dialogue.id] = path
            kept[dialogue.id] = dialogue
        files.append(InputFile(path.name, file_sha256(path), count))
    usable = []
    for _, dialogue in sorted(kept.items()):
        reason = why_left_out(dialogue, with_crisis)
        if reason:
            left_out[reason] += 1
        else:
            usable.append(dialogue)
    return Intake(usable, sorted(files, key=lambda file: (file.name, file.sha256)), left_out)


def _check_same(dialogue: Dialogue, before: Dialogue | None, path: Path, where: Path) -> None:
    if before == dialogue:
        return
    raise BadInput(
        f"{path}: the id {dialogue.id!r} stands for another record in {where}; "
        "give every dialogue an id of its own"
    )


def why_left_out(dialogue: Dialogue, with_crisis: bool) -> str | None:
    """The first reason of ``REASONS`` against a dialogue, or None."""
    roles = {message.role for message in dialogue.messages}
    if not with_crisis and is_flagged(dialogue, "crisis"):
        return "crisis"
    if "client" not in roles:
        return "no_client_turn"
    if "counselor" not in roles:
        return "no_counselor_turn"
    if any(not message.content.strip() for message in dialogue.messages):
        return "empty_turn"
    return None


def dialogues_of(path: Path) -> Iterator[Dialogue]:
    """A file's dialogues, at least one. Raises ``BadInput`` in one line for a file that is bad."""
    count = 0
    with told_in_one_line(path):
        # disable=None: a bar in a terminal, silence in a pipe.
        for dialogue in tqdm(read_dialogues(path), desc=path.name, unit="dialogue", disable=None):
            count += 1
            yield dialogue
    if not count:
        raise BadInput(f"{path}: there is no dialogue in it")
