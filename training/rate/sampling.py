"""The dialogues that are rated: drawn once, written down, the same for the judge and for people.

Which dialogues are drawn depends on the seed and on their sources and ids, not on their order in
the file. People see blind ids, in an order that mixes the corpora.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mi_arena.dialogue import Dialogue, is_flagged, read_dialogues, turns, write_dialogues
from mi_arena.jobs.dialogue_files import file_sha256, told_in_one_line
from mi_arena.jobs.run_directory import write_atomically
from mi_arena.jobs.script import BadInput, first_line
from mi_arena.safety.crisis import scan

SAMPLE_NAME = "sample.jsonl"
MANIFEST_NAME = "sample.json"
KEY = "rate"
"""Under it a line of the sample holds what is ours."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels: no words, and nothing that a spreadsheet takes for a number or a month."""
_CHECK_LETTERS = 4


@dataclass(frozen=True)
class Corpus:
    """One file and what was found in it."""

    name: str
    file: str
    sha256: str
    dialogues: int
    """All that could have been drawn."""
    empty: int
    """Dialogues without a word, which nobody can rate: not drawn."""


@dataclass(frozen=True)
class Sampled:
    """A dialogue of the sample."""

    blind_id: str
    corpus: str
    crisis: tuple[str, ...]
    """Why it is marked as touching a crisis: ``flagged`` by its corpus, or a category found."""
    dialogue: Dialogue


@dataclass(frozen=True)
class Sample:
    """What all rate, ordered by blind id."""

    seed: int
    size: int
    """Dialogues of each corpus."""
    corpora: tuple[Corpus, ...]
    """By name."""
    items: tuple[Sampled, ...]
    drawn_at: str

    def of(self, corpus: str) -> list[Sampled]:
        return [item for item in self.items if item.corpus == corpus]


@dataclass
class _Reading:
    """What one pass over a file has seen."""

    path: Path
    sources: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    empty: int = 0

    def dialogues(self) -> Iterator[Dialogue]:
        for dialogue in read_dialogues(self.path):
            if dialogue.id in self.ids:
                raise BadInput(
                    f"{self.path}: two dialogues have the id {dialogue.id!r}; give each its own"
                )
            self.ids.add(dialogue.id)
            self.sources.add(dialogue.source)
            if any(m.role != "system" and m.content.strip() for m in dialogue.messages):
                yield dialogue
            else:
                self.empty += 1


def draw_sample(files: Sequence[Path], size: int, seed: int) -> Sample:
    """``size`` dialogues of each file. Raises ``BadInput`` where a file cannot give them."""
    readings, drawn = [], []
    for path in files:
        reading = _Reading(path)
        with told_in_one_line(path):
            drawn.append(heapq.nsmallest(size, reading.dialogues(), key=lambda d: _rank(seed, d)))
        there = len(reading.ids) - reading.empty
        if there < size:
            left_out = f" ({reading.empty} without a word are left out)" if reading.empty else ""
            raise BadInput(
                f"{path}: has {there} dialogues{left_out}, fewer than the {size} to draw; "
                f"give --sample {there} or a larger corpus"
                if there
                else f"{path}: has no dialogue to rate{left_out}"
            )
        readings.append(reading)
    corpora = [
        Corpus(
            name, str(one.path), file_sha256(one.path), len(one.ids) - one.empty, one.empty
        )
        for name, one in zip(_names(readings), readings, strict=True)
    ]  # fmt: skip
    pairs = [(c.name, d) for c, own in zip(corpora, drawn, strict=True) for d in own]
    pairs.sort(key=lambda pair: _digest(seed, "blind", pair[0], pair[1].id))
    digits = max(3, len(str(len(pairs))))
    items = tuple(
        Sampled(f"D{n:0{digits}}-{_check(seed, d)}", corpus, crisis_marks(d), d)
        for n, (corpus, d) in enumerate(pairs, 1)
    )
    by_name = tuple(sorted(corpora, key=lambda corpus: corpus.name))
    return Sample(seed, size, by_name, items, datetime.now(UTC).isoformat(timespec="seconds"))


def crisis_marks(dialogue: Dialogue) -> tuple[str, ...]:
    """Why a dialogue touches a crisis: its corpus says so, or what the client writes does."""
    flagged = ["flagged"] if is_flagged(dialogue, "crisis") else []
    said = "\n".join(m.content for m in dialogue.messages if m.role == "client")
    return (*flagged, *sorted({finding.category for finding in scan(said)}))


def spoken(dialogue: Dialogue) -> list[tuple[str, str]]:
    """Who speaks (in Chinese) and what, turn by turn; system messages and empty turns left out."""
    names = {"client": "来访者", "counselor": "咨询师"}
    return [
        (names[role], text.strip())
        for role, text in turns(m for m in dialogue.messages if m.role != "system")
        if text.strip()
    ]


def write_sample(folder: Path, sample: Sample) -> None:
    """Lines first, then the manifest, which says that the lines are whole."""
    file = folder / SAMPLE_NAME
    write_dialogues(file, [_line(item) for item in sample.items])
    manifest = {
        "seed": sample.seed,
        "size": sample.size,
        "drawn_at": sample.drawn_at,
        "sample_sha256": file_sha256(file),
        "corpora": [asdict(corpus) for corpus in sample.corpora],
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / MANIFEST_NAME, text)


def kept_sample(folder: Path) -> Sample | None:
    """The sample that an earlier run drew, or ``None``. Raises ``BadInput`` where it changed."""
    file = folder / SAMPLE_NAME
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        corpora = tuple(Corpus(**corpus) for corpus in manifest["corpora"])
        seed, size, wanted = manifest["seed"], manifest["size"], manifest["sample_sha256"]
        drawn_at = manifest["drawn_at"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{folder / MANIFEST_NAME}: is not what was written ({first_line(error)}); "
            "give another --out"
        ) from None
    if not file.is_file() or file_sha256(file) != wanted:
        raise BadInput(f"{file}: changed since the sample was drawn; give another --out")
    items = tuple(_item(dialogue) for dialogue in read_dialogues(file))
    return Sample(seed, size, corpora, items, drawn_at)


def _line(item: Sampled) -> Dialogue:
    own = {"blind_id": item.blind_id, "corpus": item.corpus, "crisis": list(item.crisis)}
    return Dialogue.model_validate(item.dialogue.model_dump() | {KEY: own})


def _item(line: Dialogue) -> Sampled:
    record = line.model_dump()
    own = record.pop(KEY)
    return Sampled(
        own["blind_id"], own["corpus"], tuple(own["crisis"]), Dialogue.model_validate(record)
    )


def _names(readings: Sequence[_Reading]) -> list[str]:
    """Their one source each, or the names of their files where that does not tell them apart."""
    stems = [_stem(one.path) for one in readings]
    names = [
        next(iter(one.sources)).strip() or stem if len(one.sources) == 1 else stem
        for one, stem in zip(readings, stems, strict=True)
    ]
    for candidate in (names, stems):
        if len(set(candidate)) == len(candidate):
            return candidate
    twice = next(stem for stem in stems if stems.count(stem) > 1)
    raise BadInput(f"two corpora would both be called {twice!r}; rename one of the files")


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def _rank(seed: int, dialogue: Dialogue) -> bytes:
    return _digest(seed, "draw", dialogue.source, dialogue.id)


def _check(seed: int, dialogue: Dialogue) -> str:
    """Letters that tell a blind id of another run from one of this run."""
    said = [text for _, text in turns(dialogue.messages)]
    digest = int.from_bytes(_digest(seed, "check", dialogue.id, *said)[:8])
    letters = ""
    for _ in range(_CHECK_LETTERS):
        digest, place = divmod(digest, len(_LETTERS))
        letters += _LETTERS[place]
    return letters


def _digest(*parts: object) -> bytes:
    text = json.dumps([str(part) for part in parts])
    return hashlib.sha256(text.encode()).digest()
