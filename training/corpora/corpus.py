"""A corpus read, looked through and cleaned, dialogue by dialogue, for the command and others.

Memory holds no dialogues, only an id and two hashes of each (and a sketch for near-duplicates).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from mi_arena.dialogue import Dialogue, Message
from mi_arena.jobs.script import BadInput
from training.corpora import crisis_screen, problems
from training.corpora.cleaning import RULES, cleaned
from training.corpora.names import unknown
from training.corpora.near_duplicates import NearDuplicates, dialogue_text
from training.corpora.problems import Finding, excerpt
from training.corpora.readers.found import Found, Missed
from training.corpora.readers.kinds import DIALOGUES, Kind, kind_named
from training.corpora.report import Report
from training.corpora.sources import Source, open_source

ALL_RULES = frozenset(RULES)
NO_RULES: frozenset[str] = frozenset()

Progress = Callable[[int, int], None]
"""Called with the bytes of the files done with and their sum; often, so it had better be quick."""


def read_corpus(
    kind: str,
    path: str | Path,
    rules: frozenset[str] = ALL_RULES,
    *,
    report: Report | None = None,
    near_threshold: float | None = None,
    progress: Progress | None = None,
) -> Iterator[Dialogue]:
    """The dialogues of a corpus; ``report`` is filled on the side, and whole when all are out.

    ``near_threshold`` looks for near-duplicates (and drops them, with the rule). Raises
    ``BadInput`` at once for an unknown kind or rule or a path that can't be opened, and while
    reading where an archive is cut off or nothing at all could be read.
    """
    return _read(kind_named(kind), path, rules, report, near_threshold, progress)


def inspected(
    path: str | Path, *, report: Report | None = None, progress: Progress | None = None
) -> Iterator[Dialogue]:
    """The dialogues of dialogue JSONL, unchanged but for the crisis flag; raises as above."""
    return _read(DIALOGUES, path, NO_RULES, report, None, progress)


def _read(
    kind: Kind,
    path: str | Path,
    rules: frozenset[str],
    report: Report | None,
    near_threshold: float | None,
    progress: Progress | None,
) -> Iterator[Dialogue]:
    for stray in sorted(rules - ALL_RULES):
        raise BadInput(unknown("rule", stray, RULES))
    source = open_source(path, kind.suffixes)
    report = report if report is not None else Report()
    report.kind, report.path = kind.name, Path(path).name
    report.rules = [rule for rule in RULES if rule in rules]
    if near_threshold is None and "drop_near_duplicates" in report.rules:
        report.rules.remove("drop_near_duplicates")
    report.files, report.passed_over = len(source.entries), source.passed_over
    line = _Line(frozenset(report.rules), report, near_threshold)
    return _through(line, _entries(kind, source, progress), report)


def _entries(kind: Kind, source: Source, progress: Progress | None) -> Iterator[Found | Missed]:
    name, done = kind.source_of(source.path), 0
    for entry in source.entries:
        for given in kind.read(entry, name):
            yield given
            if progress:
                progress(done + entry.read_so_far(), source.size)
        done += entry.size
        if progress:
            progress(done, source.size)


def _through(line: _Line, given: Iterator[Found | Missed], report: Report) -> Iterator[Dialogue]:
    missed: deque[Missed] = deque(maxlen=1)
    for one in given:
        if isinstance(one, Missed):
            report.unreadable(one.where, one.reason)
            missed = missed or deque([one])
            continue
        report.read += 1
        kept = line.took(one)
        if kept is not None:
            report.written += 1
            yield kept
    if not report.read:
        if not missed:
            raise BadInput(f"{report.path}: holds no dialogue")
        more = f" (and {report.missed - 1} more like it)" if report.missed > 1 else ""
        raise BadInput(f"{missed[0].where}: {missed[0].reason}{more}")


class _Line:
    """Where each dialogue passes: looked at as it is, cleaned, compared with those before it."""

    def __init__(self, rules: frozenset[str], report: Report, near_threshold: float | None):
        self.rules, self.report = rules, report
        self.near = None if near_threshold is None else NearDuplicates(near_threshold)
        self.ids: set[str] = set()
        self.as_read: dict[bytes, str] = {}
        self.as_kept: dict[bytes, str] = {}

    def took(self, found: Found) -> Dialogue | None:
        """The dialogue as it is to be written, or None where a rule drops it."""
        dialogue, findings = found.dialogue, list(found.findings)
        identity = self._identity(dialogue.id)
        if identity != dialogue.id:
            findings.append(Finding("same_id", 0, dialogue.id))
        findings += problems.found_in(dialogue.messages)
        crisis = list(crisis_findings(dialogue.messages))
        first = self.as_read.setdefault(_key(dialogue), identity)
        if first != identity:
            findings.append(Finding("duplicate", 0, first))
        messages, changes = cleaned(dialogue.messages, self.rules)
        meta = dialogue.meta
        if crisis:
            flags = meta.get("flags")
            flags = flags if isinstance(flags, list) else []
            meta = meta | {"flags": flags if "crisis" in flags else [*flags, "crisis"]}
        dialogue = dialogue.model_copy(update={"id": identity, "messages": messages, "meta": meta})
        kept = self._kept(dialogue, findings)
        self.report.found(identity, findings + crisis)
        if kept:
            self.report.cleaned(identity, changes)
        return dialogue if kept else None

    def _identity(self, wanted: str) -> str:
        """The id, or the id with the first number that makes it one of its own."""
        identity, number = wanted, 1
        while identity in self.ids:
            number += 1
            identity = f"{wanted}-{number}"
        self.ids.add(identity)
        return identity

    def _kept(self, dialogue: Dialogue, findings: list[Finding]) -> bool:
        rules, identity = self.rules, dialogue.id
        if "drop_one_role_only" in rules:
            lonely = list(problems.one_role_only(dialogue.messages))
            if lonely:
                self.report.drop(identity, "drop_one_role_only", lonely[0].excerpt)
                return False
        first = self.as_kept.setdefault(_key(dialogue), identity)
        if first != identity and "drop_exact_duplicates" in rules:
            self.report.drop(identity, "drop_exact_duplicates", f"as {first}")
            return False
        if self.near is not None:
            sketch, near = self.near.like(dialogue_text(dialogue))
            if near:
                like = self.near.id_of(near[0])
                findings.append(Finding("near_duplicate", 0, like))
                if "drop_near_duplicates" in rules:
                    self.report.drop(identity, "drop_near_duplicates", f"nearly {like}")
                    return False
            if sketch is not None:
                self.near.add(identity, sketch)
        return True


def crisis_findings(messages: list[Message]) -> Iterator[Finding]:
    """The turns with signs of danger, whoever speaks."""
    for turn, message in problems.spoken(messages):
        if signs := crisis_screen.scan(message.content):
            names = ", ".join(sign.pattern_id for sign in signs)
            yield Finding("crisis", turn, f"{names}: {excerpt(message.content)}")


def _key(dialogue: Dialogue) -> bytes:
    """Equal for dialogues that are word for word the same, spaces aside."""
    said = "\0".join(f"{m.role} {''.join(m.content.split())}" for m in dialogue.messages)
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()
