"""What a run offers to experts: read from its folder, drawn with a seed.

Knows what ``training.rate`` and ``training.transcribe`` write, and nothing of who reviews it.
"""

from __future__ import annotations

import hashlib
import heapq
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from mi_arena.battles.refusal import Refused
from mi_arena.dialogue import BadLine, Dialogue, Message, read_dialogues
from mi_arena.records.payloads import MAX_MESSAGES
from mi_arena.records.review_events import MAX_REVIEW_ITEMS, MAX_REVIEW_SET, ReviewTask

SAMPLE, MANIFEST, REWRITTEN = "sample.jsonl", "sample.json", "mi.jsonl"
RATE_KEY = "rate"
"""Under it a line of a sample holds what the rating added."""


@dataclass(frozen=True)
class Offered:
    """One dialogue that can be sent to experts."""

    name: str
    messages: tuple[Message, ...]
    rewriting: Dialogue | None = None
    sensitive: bool = False


def task_of(folder: Path) -> ReviewTask | None:
    """What experts can do with a run's results; ``None`` while there is nothing for them."""
    if (folder / SAMPLE).is_file() and (folder / MANIFEST).is_file():
        return "rating"
    return "rewrite" if (folder / REWRITTEN).is_file() else None


def sample(folder: Path) -> list[Offered]:
    """The whole sample of a rating, by its blind ids. Raises ``Refused``."""
    with _failing(folder / SAMPLE):
        offered = [_rated(one) for one in read_dialogues(folder / SAMPLE)]
    return _bounded(offered)


def rewritten(folder: Path, size: int, seed: int, without: Collection[str]) -> list[Offered]:
    """A draw of rewritings beside their sources; fewer than ``size`` where there are no more.

    ``without`` are ids that are not to be drawn. Which are drawn depends on the seed and their
    ids alone. Raises ``Refused``: nothing left, a source that is not to be found, a file that
    can't be read.
    """
    with _failing(folder / REWRITTEN):
        drawn = heapq.nsmallest(
            size,
            (d for d in read_dialogues(folder / REWRITTEN) if d.id not in without),
            key=lambda dialogue: _rank(seed, dialogue.id),
        )
    if not drawn:
        raise Refused("review_nothing_left")
    sources = _sources(folder, {str(one.meta.get("source_id")) for one in drawn})
    return _bounded(
        [
            Offered(one.id, _said(before), one, "crisis" in (before.meta.get("flags") or []))
            for one in drawn
            for before in [sources[str(one.meta.get("source_id"))]]
        ]
    )


def _rated(line: Dialogue) -> Offered:
    own = (line.model_extra or {}).get(RATE_KEY)
    if not isinstance(own, dict) or not isinstance(own.get("blind_id"), str):
        raise Refused("review_bad_file", file=SAMPLE)
    return Offered(own["blind_id"], _said(line), None, bool(own.get("crisis")))


def _sources(folder: Path, ids: set[str]) -> dict[str, Dialogue]:
    """The dialogues with these ids in the file that the run was given."""
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        path = Path(config["input"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        raise Refused("review_bad_file", file="config.yaml") from None
    found: dict[str, Dialogue] = {}
    with _failing(path):
        for dialogue in read_dialogues(path):
            if dialogue.id in ids:
                found[dialogue.id] = dialogue
                if len(found) == len(ids):
                    break
    if missing := ids - found.keys():
        raise Refused("review_no_source", n=len(missing), file=path.name)
    return found


def _said(dialogue: Dialogue) -> tuple[Message, ...]:
    """Words and roles alone: nothing else of a message reaches a rater."""
    return tuple(
        Message(role=m.role, content=m.content)
        for m in dialogue.messages
        if m.role != "system" and m.content.strip()
    )


def _bounded(offered: list[Offered]) -> list[Offered]:
    dialogues = [
        messages
        for one in offered
        for messages in (one.messages, one.rewriting.messages if one.rewriting else ())
    ]
    said = sum(len(message.content) for messages in dialogues for message in messages)
    longest = max((len(messages) for messages in dialogues), default=0)
    if len(offered) > MAX_REVIEW_ITEMS or said > MAX_REVIEW_SET or longest > MAX_MESSAGES:
        raise Refused("review_too_large", n=MAX_REVIEW_ITEMS, characters=MAX_REVIEW_SET)
    if any(not one.messages for one in offered):
        raise Refused("review_bad_file", file=SAMPLE)
    return offered


def _rank(seed: int, id_: str) -> bytes:
    return hashlib.sha256(f"review:{seed}:{id_}".encode()).digest()


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except (BadLine, OSError, UnicodeDecodeError, EOFError, zlib.error):
        raise Refused("review_bad_file", file=path.name) from None
