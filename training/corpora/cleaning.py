"""The named rules that clean a dialogue; each says what it took, so that nothing goes in silence.

Rules that change turns are applied again until none finds anything, so cleaning twice changes
nothing. With all of them, what is kept begins with the client, alternates and ends with the
counsellor. System messages stay where they are and count as nobody's turn. Nothing is masked, and
signs of danger are no reason to drop anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mi_arena.dialogue import Message
from mi_arena.jobs.script import BadInput
from training.corpora import loops, speaker_tags, stage_directions
from training.corpora.names import unknown


@dataclass(frozen=True)
class Change:
    """What a rule did to turn ``turn`` (from 1, as the rule met it), and the text it took out."""

    turn: int
    removed: str


Outcome = tuple[list[Message], list[Change]]
TurnRule = Callable[[Sequence[Message]], Outcome]


def strip_speaker_tags(messages: Sequence[Message]) -> Outcome:
    kept: list[Message] = []
    changes = []
    for turn, message in enumerate(messages, 1):
        tags = speaker_tags.tags(message.content) if message.role != "system" else []
        if not tags:
            kept.append(message)
            continue
        text, begin, role = message.content, 0, message.role
        stretches = []
        for tag in tags:
            stretches.append((role, text[begin : tag.start].strip()))
            changes.append(Change(turn, text[tag.start : tag.end]))
            begin, role = tag.end, tag.role
        stretches.append((role, text[begin:].strip()))
        # One of the speaker's own labels in front leaves nothing before it.
        first, *others = [part for part in stretches if part[1]] or stretches[:1]
        kept.append(message.model_copy(update={"role": first[0], "content": first[1]}))
        for speaker, words in others:
            if speaker == kept[-1].role:
                joined = f"{kept[-1].content}\n{words}"
                kept[-1] = kept[-1].model_copy(update={"content": joined})
            else:
                kept.append(Message(role=speaker, content=words))
    return kept, changes


def strip_stage_directions(messages: Sequence[Message]) -> Outcome:
    kept = []
    changes = []
    for turn, message in enumerate(messages, 1):
        spans = list(stage_directions.spans(message.content)) if message.role != "system" else []
        if not spans:
            kept.append(message)
            continue
        text = message.content
        for begin, end in reversed(spans):
            text = text[:begin] + text[end:]
        changes += [Change(turn, message.content[begin:end]) for begin, end in spans]
        lines = (line.strip() for line in text.split("\n"))
        text = re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()
        kept.append(message.model_copy(update={"content": text}))
    return kept, changes


def drop_empty_turns(messages: Sequence[Message]) -> Outcome:
    kept = [message for message in messages if message.content.strip()]
    empty = [n for n, message in enumerate(messages, 1) if not message.content.strip()]
    return kept, [Change(turn, "") for turn in empty]


def join_same_role(messages: Sequence[Message]) -> Outcome:
    kept: list[Message] = []
    last: int | None = None
    changes = []
    for turn, message in enumerate(messages, 1):
        if message.role == "system":
            kept.append(message)
        elif last is not None and kept[last].role == message.role:
            kept[last] = _joined(kept[last], message)
            changes.append(Change(turn, ""))
        else:
            last = len(kept)
            kept.append(message)
    return kept, changes


def _joined(first: Message, second: Message) -> Message:
    """One message of two; where they carry keys of their own, both stay under ``parts``."""
    content = f"{first.content}\n{second.content}"
    if not first.model_extra and not second.model_extra:
        return Message(role=first.role, content=content)
    parts = [part for message in (first, second) for part in _parts(message)]
    return Message.model_validate({"role": first.role, "content": content, "parts": parts})


def _parts(message: Message) -> list[object]:
    extra = message.model_extra or {}
    if set(extra) == {"parts"} and isinstance(extra["parts"], list):
        return extra["parts"]
    return [{"content": message.content, **extra}]


def cut_loops(messages: Sequence[Message]) -> Outcome:
    return _without(messages, loops.said_again(messages))


def drop_leading_counselor(messages: Sequence[Message]) -> Outcome:
    begins = next((i for i, message in enumerate(messages) if message.role == "client"), 0)
    return _without(messages, [i for i in range(begins) if messages[i].role == "counselor"])


def drop_trailing_client(messages: Sequence[Message]) -> Outcome:
    roles = [message.role for message in messages]
    if "counselor" not in roles:
        return list(messages), []
    ends = len(roles) - 1 - roles[::-1].index("counselor")
    return _without(messages, [i for i in range(ends, len(roles)) if roles[i] == "client"])


def _without(messages: Sequence[Message], indices: Iterable[int]) -> Outcome:
    gone = set(indices)
    return (
        [message for index, message in enumerate(messages) if index not in gone],
        [Change(index + 1, messages[index].content) for index in sorted(gone)],
    )


TURN_RULES: Mapping[str, TurnRule] = MappingProxyType(
    {
        rule.__name__: rule
        for rule in (
            strip_speaker_tags,
            strip_stage_directions,
            drop_empty_turns,
            join_same_role,
            cut_loops,
            drop_leading_counselor,
            drop_trailing_client,
        )
    }
)

RULES: Mapping[str, str] = MappingProxyType(
    {
        "strip_speaker_tags": "take labels out of turns; what another speaker's label begins "
        "becomes that speaker's turn",
        "strip_stage_directions": "take stage directions in brackets out",
        "drop_empty_turns": "leave out turns without text",
        "join_same_role": "make one turn of a speaker's turns in a row",
        "cut_loops": "leave out second and later times around",
        "drop_leading_counselor": "begin with the client's first turn",
        "drop_trailing_client": "end with the counsellor's last turn",
        "drop_one_role_only": "leave out dialogues in which only one of the two speaks",
        "drop_exact_duplicates": "keep the first of dialogues that are word for word the same",
        "drop_near_duplicates": "keep the first of near-duplicates; only with --near-duplicates",
    }
)
"""Every rule in the order of work, and what it does."""


def without(names: Iterable[str]) -> frozenset[str]:
    """All rules but those named. Raises ``BadInput`` for a rule there isn't."""
    off = set(names)
    for name in sorted(off - RULES.keys()):
        raise BadInput(unknown("rule", name, RULES))
    return frozenset(RULES) - off


def cleaned(
    messages: Sequence[Message], rules: frozenset[str]
) -> tuple[list[Message], dict[str, list[Change]]]:
    """The messages after all the turn rules in ``rules``, and what each of them changed."""
    changes: dict[str, list[Change]] = {}
    messages = list(messages)
    at_work = [(name, rule) for name, rule in TURN_RULES.items() if name in rules]
    while True:
        quiet = True
        for name, rule in at_work:
            messages, found = rule(messages)
            if found:
                changes.setdefault(name, []).extend(found)
                quiet = False
        if quiet:
            return messages, changes
