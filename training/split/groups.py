"""Which dialogues belong together, so that no split may part them: groups by union-find.

Two dialogues are joined when they share a source question, say the same, begin with the same words
of the client, or are near-duplicates; and so on along chains.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from mi_arena.dialogue import Dialogue, turns
from mi_arena.jobs.script import BadInput

OPENING_CHARACTERS = 20
"""From this length on, an equal first turn of the client counts as the same question. In SmileChat,
grouped by its makers' questions, no first turn is found in two groups. Ours."""

Key = tuple[str, str]
"""A kind of link, and what is equal in it."""


@dataclass(frozen=True)
class Group:
    """Dialogues that go together. ``key`` is the smallest of their ids."""

    key: str
    members: tuple[str, ...]
    stratum: tuple[str, str]
    """Source and topic of most of its members ("" for no topic)."""

    @property
    def size(self) -> int:
        return len(self.members)


@dataclass(frozen=True)
class Grouping:
    groups: list[Group]
    joins: Counter[str]
    """How many times two groups became one, by the kind of link that did it first."""


class UnionFind:
    def __init__(self, size: int):
        self._parent = list(range(size))

    def root(self, one: int) -> int:
        while self._parent[one] != one:
            self._parent[one] = one = self._parent[self._parent[one]]
        return one

    def join(self, one: int, other: int) -> bool:
        """Whether they were apart before. The smaller index stays the root."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low
        return low != high


def plain(text: str) -> str:
    """Text as it is compared: one form of every character, no blanks, no upper case."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def exact_key(dialogue: Dialogue) -> Key:
    """Equal for two dialogues in which the same is said by the same roles."""
    said = "\n".join(f"{role} {plain(text)}" for role, text in turns(dialogue.messages))
    return "exact", hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def question_keys(dialogue: Dialogue) -> Iterator[Key]:
    """What two dialogues share when they go back to one source question.

    A rewritten dialogue names its source in ``meta.source_id``, and so meets it and all other
    rewritings of it; ``meta.source_group`` carries what the source belonged to. Raises
    ``BadInput`` for a group or a source that is no text or number.
    """
    yield "source_id", dialogue.id
    provenance = dialogue.meta.get("provenance")
    for meta in (dialogue.meta, provenance if isinstance(provenance, dict) else {}):
        for name in ("source_id", "group"):
            value = meta.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise BadInput(f"{dialogue.id}: meta.{name} must be a text or a whole number")
            yield name, str(value)
    carried = dialogue.meta.get("source_group")
    for one in carried if isinstance(carried, list) else ():
        name, _, value = str(one).partition(":")
        if name in ("source_id", "group") and value:
            yield name, value
    opening = next((text for role, text in turns(dialogue.messages) if role == "client"), "")
    if len(opening := plain(opening)) >= OPENING_CHARACTERS:
        yield "opening", opening


def near_groups(dialogues: Sequence[Dialogue], threshold: float) -> list[list[int]]:
    """Indices of near-duplicates by MinHash, in groups of two or more."""
    from training.corpora.near_duplicates import dialogue_text, near_duplicate_groups

    bar = tqdm(dialogues, desc="near-duplicates", unit="dialogue", disable=None)
    texts = ((str(index), dialogue_text(one)) for index, one in enumerate(bar))
    return [sorted(map(int, found)) for found in near_duplicate_groups(texts, threshold)]


def group(
    dialogues: Sequence[Dialogue],
    near: Iterable[Sequence[int]] = (),
    sources: Mapping[int, Dialogue] | None = None,
) -> Grouping:
    """All groups, those of a single dialogue too, by key. ``near`` holds indices.

    Indices past the dialogues (of files that are only compared with) join what they touch.
    ``sources``, by such indices, are what dialogues were rewritten from: they join by all their
    keys, and are in no group.
    """
    sources = sources or {}
    near = list(near)
    highest = max((*(index for found in near for index in found), *sources), default=-1)
    joined = UnionFind(max(len(dialogues), highest + 1))
    joins: Counter[str] = Counter()
    first_with: dict[Key, int] = {}
    for index, dialogue in (*enumerate(dialogues), *sources.items()):
        for key in (*question_keys(dialogue), exact_key(dialogue)):
            if joined.join(first_with.setdefault(key, index), index):
                joins[key[0]] += 1
    for found in near:
        for index in found[1:]:
            if joined.join(found[0], index) and index < len(dialogues):
                joins["near"] += 1
    members: dict[int, list[Dialogue]] = {}
    for index, dialogue in enumerate(dialogues):
        members.setdefault(joined.root(index), []).append(dialogue)
    groups = [_made(found) for found in members.values()]
    return Grouping(sorted(groups, key=lambda one: one.key), joins)


def _made(members: list[Dialogue]) -> Group:
    ids = sorted(one.id for one in members)
    strata = Counter(stratum_of(one) for one in members)
    most = max(strata.values())
    return Group(ids[0], tuple(ids), min(s for s, n in strata.items() if n == most))


def stratum_of(dialogue: Dialogue) -> tuple[str, str]:
    """Source, and topic where the record has one at its top or in ``meta``."""
    topic = (dialogue.model_extra or {}).get("topic", dialogue.meta.get("topic"))
    return dialogue.source, "" if topic is None else str(topic)
