"""The problem report: what was read, what was wrong with it, what the rules did about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.corpora import problems
from training.corpora.cleaning import RULES, Change
from training.corpora.problems import Finding, excerpt

EXAMPLES = 5
"""Examples kept of each problem and each rule."""


@dataclass
class Tally:
    """How many dialogues and places, and the first few of them."""

    dialogues: int = 0
    places: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, where: str, places: Sequence[tuple[int, str]]) -> None:
        """One more dialogue (or entry), with turns (0: as a whole) and excerpts."""
        self.dialogues += 1
        self.places += len(places)
        if len(self.examples) < EXAMPLES:
            turn, words = places[0]
            self.examples.append({"where": where, "turn": turn or None, "excerpt": words})

    def as_json(self) -> dict[str, Any]:
        return {"dialogues": self.dialogues, "places": self.places, "examples": self.examples}


@dataclass
class Report:
    """Grows while a corpus is read; right at any moment for what was read so far."""

    kind: str = ""
    path: str = ""
    rules: list[str] = field(default_factory=list)
    files: int = 0
    passed_over: list[str] = field(default_factory=list)
    """Files of the path that are of another sort."""
    read: int = 0
    written: int = 0
    problems: dict[str, Tally] = field(default_factory=dict)
    """Of the dialogues as they were read."""
    changed: dict[str, Tally] = field(default_factory=dict)
    dropped: dict[str, Tally] = field(default_factory=dict)

    def unreadable(self, where: str, reason: str) -> None:
        self.problems.setdefault("unreadable", Tally()).add(where, [(0, reason)])

    def found(self, identity: str, findings: Iterable[Finding]) -> None:
        by_kind: dict[str, list[tuple[int, str]]] = {}
        for finding in findings:
            by_kind.setdefault(finding.kind, []).append((finding.turn, finding.excerpt))
        for kind, places in by_kind.items():
            self.problems.setdefault(kind, Tally()).add(identity, places)

    def cleaned(self, identity: str, changes: Mapping[str, Sequence[Change]]) -> None:
        for rule, made in changes.items():
            places = [(change.turn, excerpt(change.removed)) for change in made]
            self.changed.setdefault(rule, Tally()).add(identity, places)

    def drop(self, identity: str, rule: str, reason: str) -> None:
        self.dropped.setdefault(rule, Tally()).add(identity, [(0, reason)])

    @property
    def missed(self) -> int:
        """Entries that could not be read."""
        tally = self.problems.get("unreadable")
        return tally.dialogues if tally else 0

    def as_json(self) -> dict[str, Any]:
        """Every problem and every rule at work is there, with 0 where there was nothing."""
        return {
            "kind": self.kind,
            "path": self.path,
            "files": self.files,
            "passed_over": {
                "files": len(self.passed_over),
                "examples": self.passed_over[:EXAMPLES],
            },
            "read": self.read,
            "written": self.written,
            "rules": self.rules,
            "dropped": _all(self.dropped, [r for r in self.rules if r.startswith("drop_")]),
            "changed": _all(self.changed, self.rules),
            "problems": _all(self.problems, problems.KINDS),
        }

    def as_text(self, examples: int = 2, quoted: bool = True) -> str:
        """For people; the counts in full, some examples each, with their words if ``quoted``."""
        lines = [f"read {self.read}, written {self.written}, unreadable {self.missed}"]
        if self.files != 1 or self.passed_over:
            lines[0] += f"; {self.files} files read, {len(self.passed_over)} of another sort"
        for title, tallies, meaning in (
            ("problems, in the dialogues as read", self.problems, problems.KINDS),
            ("changed by rule", self.changed, RULES),
            ("dropped by rule", self.dropped, RULES),
        ):
            if tallies:
                lines += ["", f"{title}:"]
            for name in sorted(tallies, key=list(meaning).index):
                words = quoted or name == "unreadable"  # whose words are the reason, not the text
                lines += _lines(name, tallies[name], meaning[name], examples, words)
        return "\n".join(lines)


def _all(tallies: Mapping[str, Tally], names: Iterable[str]) -> dict[str, Any]:
    return {name: tallies.get(name, Tally()).as_json() for name in names}


def _lines(name: str, tally: Tally, meaning: str, examples: int, quoted: bool) -> list[str]:
    more = f", {tally.places} places" if tally.places > tally.dialogues else ""
    lines = [f"  {name}: {tally.dialogues}{more}  ({meaning})"]
    for one in tally.examples[:examples]:
        place = f", turn {one['turn']}" if one["turn"] else ""
        words = f": {one['excerpt']}" if quoted and one["excerpt"] else ""
        lines.append(f"      {one['where']}{place}{words}")
    return lines
