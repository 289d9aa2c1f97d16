"""What the safety networks learn from: labelled lines, and turns of everyday dialogues."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_arena.battles.releasing import piece_ends
from mi_arena.dialogue import read_dialogues
from mi_arena.safety.categories import Speaker
from mi_arena.safety.check import pattern_findings
from mi_arena.safety.lines import LabelledLine, read_lines
from mi_arena.safety.plain_text import unmarked
from mi_arena.safety.reading import KINDS
from mi_arena.settings import ROOT

LINES = ROOT / "training" / "safety_lines"
TIMES = {"natural": 2, "plain": 4}
"""How often an epoch shows the lines of files whose names begin so: lines as they are written in
life, and short plain ones. Most of the others, shown once, are twins of each other, one dangerous
and one not, which teach more than they tell of life."""
EVERYDAY = 12_000
"""Turns that are taken as harmless, of each speaker and file at most."""
JOINED = 0.2
"""Share of lines that are shown beside a harmless one: danger must not drown in other words."""


@dataclass(frozen=True)
class Example:
    """A text as networks read it; ``kind`` 0 is no danger, others are places in ``KINDS``, plus
    1."""

    text: str
    speaker: Speaker
    kind: int
    english: bool


def repeated(files: Sequence[Path]) -> list[Example]:
    """The lines of these files, each as often as an epoch shows it."""
    more = [
        file
        for file in files
        for name, times in TIMES.items()
        if file.name.startswith(name)
        for _ in range(times - 1)
    ]
    return labelled(files) + [one for file in more for one in labelled([file])]


def labelled(files: Sequence[Path]) -> list[Example]:
    """The lines of these files, no text of a speaker twice."""
    made: dict[tuple[str, Speaker], Example] = {}
    for file in files:
        for line in read_lines(str(file), LabelledLine):
            text = unmarked(line.text)[-1]
            made[text, line.speaker] = Example(text, line.speaker, kind_of(line), line.lang == "en")
    return list(made.values())


def kind_of(line: LabelledLine) -> int:
    return 1 + KINDS[line.speaker].index(line.category) if line.category else 0


def everyday(path: Path, speaker: Speaker) -> list[Example]:
    """Turns at equal distances, of dialogues of the train split that are not flagged, without
    those in which the patterns see anything."""
    role = "client" if speaker == "client" else "counselor"
    turns = [
        message.content
        for dialogue in read_dialogues(path)
        if dialogue.meta.get("split") != "test" and not dialogue.meta.get("flags")
        for message in dialogue.messages
        if message.role == role
    ]
    some = turns[:: max(1, len(turns) // (2 * EVERYDAY))]
    if speaker == "model":  # replies are looked at as they come, sentence by sentence
        some = [text[:end] for text in some for end in piece_ends(text, True)]
    harmless = [text for text in some if not pattern_findings(text, speaker)]
    random.Random(0).shuffle(harmless)
    return [Example(unmarked(text)[-1], speaker, 0, False) for text in harmless[:EVERYDAY]]


def shuffled(examples: Sequence[Example], chance: random.Random) -> list[Example]:
    """The texts as no more than heaps of their characters: what a small model may write is
    nonsense, and nonsense does no harm."""
    return [
        Example("".join(chance.sample(one.text, len(one.text))), one.speaker, 0, one.english)
        for one in examples
    ]


def shown(
    lines: Sequence[Example], usual: Sequence[Example], seed: int, epoch: int
) -> Iterator[Example]:
    """What one epoch shows: every line, some beside a harmless one, and some everyday turns."""
    chance = random.Random(f"{seed} {epoch}")
    beside: dict[tuple[Speaker, bool], list[str]] = {}
    for one in (*lines, *usual):
        if not one.kind and len(one.text) < 120:
            beside.setdefault((one.speaker, one.english), []).append(one.text)
    for one in (*lines, *usual):
        text = one.text
        if one.english and chance.random() < 0.2:
            text = text.replace("'", "")
        if chance.random() < JOINED:
            both = [text, chance.choice(beside[one.speaker, one.english])]
            chance.shuffle(both)
            text = chance.choice([", ", " "]).join(both)
        yield Example(text, one.speaker, one.kind, one.english)
    yield from shuffled(chance.sample(list(usual), len(usual) // 20), chance)
