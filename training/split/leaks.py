"""What two sides of an evaluation share: exact copies, near-duplicates, source questions.

Counted from the records themselves and not from the groups that were split, so that it checks them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, Literal

from mi_arena.dialogue import Dialogue
from training.split.groups import Key, exact_key, question_keys

Kind = Literal["exact", "near", "question"]
KINDS: tuple[Kind, ...] = ("exact", "near", "question")
EXAMPLES = 5


@dataclass(frozen=True)
class Overlap:
    """What ``left`` and ``right`` share; ``None`` for near-duplicates that weren't looked for."""

    left: str
    right: str
    kind: Kind
    left_dialogues: int | None
    right_dialogues: int | None
    examples: list[tuple[str, str]] = field(default_factory=list)
    """Ids, left and right, of the first few."""

    def as_json(self) -> dict[str, Any]:
        shown = asdict(self)
        if self.left_dialogues is None:
            shown["reason"] = "not looked for (--no-near)"
        return shown


def _keys(kind: Kind, dialogue: Dialogue) -> list[Key]:
    """What the dialogue itself says; near-duplicates are known from elsewhere."""
    if kind == "exact":
        return [exact_key(dialogue)]
    return list(question_keys(dialogue)) if kind == "question" else []


class Keys:
    """The keys of dialogues of each kind, made when they are first asked for."""

    def __init__(self, dialogues: Sequence[Dialogue], near: Iterable[Sequence[int]] | None):
        """``near`` holds indices into the dialogues; None when near-duplicates weren't sought."""
        self.looked_for_near = near is not None
        self._dialogues = dialogues
        self._made: dict[tuple[Kind, int], list[Key]] = {}
        for number, found in enumerate(near or ()):
            for index in found:
                self._made.setdefault(("near", index), []).append(("near", str(number)))

    def of(self, kind: Kind, index: int) -> list[Key]:
        if (kind, index) not in self._made:
            self._made[kind, index] = _keys(kind, self._dialogues[index])
        return self._made[kind, index]

    def shared(
        self, kind: Kind, left: Iterable[int], right: Iterable[int]
    ) -> list[tuple[int, int]]:
        """Pairs of indices with a key of that kind in common, without an order to rely on."""
        on_the_right: dict[Key, list[int]] = defaultdict(list)
        for index in right:
            for key in self.of(kind, index):
                on_the_right[key].append(index)
        return [
            (index, other)
            for index in left
            for key in self.of(kind, index)
            for other in on_the_right.get(key, ())
        ]

    def overlap(
        self, kind: Kind, left: tuple[str, Sequence[int]], right: tuple[str, Sequence[int]]
    ) -> Overlap:
        if kind == "near" and not self.looked_for_near:
            return Overlap(left[0], right[0], kind, None, None)
        pairs = self.shared(kind, left[1], right[1])
        named = sorted(
            {(self._dialogues[one].id, self._dialogues[other].id) for one, other in pairs}
        )
        return Overlap(
            left[0],
            right[0],
            kind,
            len({one for one, _ in pairs}),
            len({other for _, other in pairs}),
            named[:EXAMPLES],
        )


def leak_report(
    keys: Keys, splits: Mapping[str, Sequence[int]], against: Mapping[str, Sequence[int]]
) -> list[Overlap]:
    """Of every two splits, and of every split with every file that is only compared with."""
    pairs = [
        *combinations(splits.items(), 2),
        *((split, file) for file in against.items() for split in splits.items()),
    ]
    return [keys.overlap(kind, left, right) for left, right in pairs for kind in KINDS]
