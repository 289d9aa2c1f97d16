"""Turns that begin with the speaker's label: CPsyCounD's text files, CPsyCounE's lists of strings.

CPsyCounD labels lines; a line without a label belongs to the turn before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mi_arena.dialogue import Message, Role
from training.corpora.problems import Finding, excerpt
from training.corpora.readers import documents
from training.corpora.readers.found import Faulty, Found, NotThis, dialogue, joined_id, message
from training.corpora.sources import Entry

TOPICS = frozenset(
    {
        *("Self-growth", "Emotion&Stress", "Education", "Love&Marriage", "Family Relationship"),
        *("Social Relationship", "Sex", "Career", "Mental Disease"),
    }
)
"""CPsyCounE's folders. CPsyCounD has the same topics, but its files don't tell them."""

D_LABELS: Mapping[str, Role] = {"来访者": "client", "心理咨询师": "counselor"}
E_LABELS: Mapping[str, Role] = {"求助者": "client", "支持者": "counselor"}
_LABEL = re.compile(r"\s*(\w{3,5})(?:[（(]([^（）()\n]{1,12})[）)])?[^\S\n]*[：:]")


def turn(line: str, labels: Mapping[str, Role], number: int) -> Message | None:
    """The turn that a line begins, if it begins with one of ``labels``.

    “来访者（小李）：” and “来访者1：” keep the name as ``speaker``.
    """
    found = _LABEL.match(line)
    if found is None:
        return None
    label, digit = (found[1][:-1], found[1][-1]) if found[1][-1].isdecimal() else (found[1], "")
    if label not in labels:
        return None
    speaker = found[2] or digit
    extra = {"speaker": speaker} if speaker else {}
    return message(labels[label], line[found.end() :].strip(), number, extra)


def read_cpsycound(entry: Entry, source: str) -> Iterator[Found]:
    """One dialogue a file; ``case_12.txt`` is ``cpsycound-12``. Raises ``NotThis``."""
    content = documents.text(entry)
    messages: list[Message] = []
    findings: list[Finding] = []
    preface: list[str] = []
    for line in filter(None, map(str.strip, content.split("\n"))):
        begun = turn(line, D_LABELS, len(messages) + 1)
        if begun is not None:
            messages.append(begun)
            continue
        findings.append(Finding("continuation_line", len(messages), excerpt(line)))
        if messages:
            joined = "\n".join(filter(None, (messages[-1].content, line)))
            messages[-1] = messages[-1].model_copy(update={"content": joined})
        else:
            preface.append(line)
    if not messages:
        raise NotThis(documents.described_text(content))
    number = entry.stem.removeprefix("case_")
    # The cases recovered from the repository's history keep apart from the published ones.
    parts = ("recovered", number) if entry.folder == "recovered" else (number,)
    meta = {"preface": "\n".join(preface)} if preface else {}
    yield Found(dialogue(joined_id("cpsycound", *parts), source, messages, meta), tuple(findings))


def cpsycoune(value: object, entry: Entry, number: int, source: str) -> Found:
    """One dialogue a file; ``Sex/3.json`` is ``cpsycoune-sex-3``, its folder the topic."""
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise NotThis(documents.described(value))
    if turn(value[0], E_LABELS, 1) is None:
        raise NotThis(documents.described(value))
    messages = []
    for place, line in enumerate(value, 1):
        begun = turn(line, E_LABELS, place) if isinstance(line, str) else None
        if begun is None:
            raise Faulty(f"turn {place} begins with neither 求助者： nor 支持者：")
        messages.append(begun)
    topic = entry.folder if entry.folder in TOPICS else ""
    identity = joined_id("cpsycoune", topic, entry.stem, *([number] if number > 1 else []))
    return Found(dialogue(identity, source, messages, {"topic": topic} if topic else {}))
