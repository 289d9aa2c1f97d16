"""Counts and lengths of dialogues, gathered as they pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mi_arena.dialogue import Dialogue, turns


@dataclass
class Statistics:
    """A round is one client turn and the counsellor reply to it; lengths are in characters."""

    dialogues: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    groups: set[str] = field(default_factory=set)
    rounds: Counter[int] = field(default_factory=Counter)
    client: Counter[int] = field(default_factory=Counter)
    counselor: Counter[int] = field(default_factory=Counter)

    def add(self, dialogue: Dialogue) -> None:
        self.dialogues += 1
        self.sources[dialogue.source] += 1
        self.languages[dialogue.lang] += 1
        meta = dialogue.meta
        for name, counter in (("split", self.splits), ("topic", self.topics)):
            if isinstance(value := meta.get(name), str):
                counter[value] += 1
        if isinstance(flags := meta.get("flags"), list):
            self.flags.update(map(str, flags))
        if (group := meta.get("group")) is not None:
            self.groups.add(str(group))
        said = turns(m for m in dialogue.messages if m.role != "system")
        roles = [role for role, _ in said]
        self.rounds[sum(a == "client" and b == "counselor" for a, b in pairwise(roles))] += 1
        for role, text in said:
            (self.client if role == "client" else self.counselor)[len(text)] += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "dialogues": self.dialogues,
            "sources": dict(self.sources.most_common()),
            "languages": dict(self.languages.most_common()),
            "splits": dict(self.splits.most_common()),
            "flags": dict(self.flags.most_common()),
            "topics": dict(self.topics.most_common()),
            "groups": len(self.groups),
            "rounds": summary(self.rounds),
            "client_turn_characters": summary(self.client),
            "counselor_turn_characters": summary(self.counselor),
        }

    def as_text(self) -> str:
        lines = [f"dialogues: {self.dialogues}"]
        for name, counter in (
            ("sources", self.sources),
            ("languages", self.languages),
            ("splits", self.splits),
            ("flags", self.flags),
            ("topics", self.topics),
        ):
            if counter:
                shown = ", ".join(f"{key} {number}" for key, number in counter.most_common(12))
                lines.append(f"{name}: {shown}{', …' if len(counter) > 12 else ''}")
        if self.groups:
            lines.append(f"groups: {len(self.groups)}")
        for title, lengths in (
            ("rounds a dialogue", self.rounds),
            ("characters a client turn", self.client),
            ("characters a counsellor turn", self.counselor),
        ):
            numbers = summary(lengths)
            shown = ", ".join(f"{key} {number}" for key, number in numbers.items())
            lines.append(f"{title}: {shown}")
        return "\n".join(lines)


def summary(numbers: Counter[int]) -> dict[str, float | int | None]:
    """Sum, mean, and the values below which 5, 50 and 95 percent lie; null where there are none."""
    count = numbers.total()
    if not count:
        return dict.fromkeys(("n", "min", "p5", "median", "p95", "max", "mean"), None) | {"n": 0}
    ordered = sorted(numbers.items())

    def below(share: float) -> int:
        passed = 0
        for value, times in ordered:
            passed += times
            if passed >= share * count:
                return value
        return ordered[-1][0]

    return {
        "n": count,
        "min": ordered[0][0],
        "p5": below(0.05),
        "median": below(0.5),
        "p95": below(0.95),
        "max": ordered[-1][0],
        "mean": round(sum(value * times for value, times in ordered) / count, 1),
    }
