"""What can be wrong with a dialogue: one pure detector a kind, and what a finding looks like.

A detector sees a dialogue as it was read and changes nothing. What takes several dialogues
(duplicates) or a reader (lines it could not make out) is found elsewhere and named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mi_arena.dialogue import Message
from training.corpora import contacts, loops, speaker_tags, stage_directions

EXCERPT = 60
"""Characters of a text that an example shows."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "unreadable": "an entry that could not be read; the reason stands beside it",
        "same_id": "an id given before; a number was added to it",
        "continuation_line": "a line without a speaker's label; taken as part of the turn before",
        "empty_turn": "a turn without text",
        "same_role_twice": "a speaker's turn follows their own",
        "looped_turns": "a turn and its answer, word for word as before in the dialogue",
        "leaked_speaker_tag": "a speaker's label inside a turn",
        "stage_direction": "a stage direction in brackets",
        "replacement_character": "U+FFFD: a character lost in some earlier conversion",
        "contact_or_link": "a phone number, address, link, WeChat or QQ id",
        "one_role_only": "not both client and counsellor have a turn",
        "wrong_first_speaker": "the counsellor speaks first",
        "ends_on_client": "the client has the last word",
        "crisis": "signs of danger, by mi_arena.safety; flagged in meta.flags, never removed",
        "duplicate": "word for word another dialogue, read before",
        "near_duplicate": "nearly another dialogue, kept before",
    }
)


@dataclass(frozen=True)
class Finding:
    """A problem at its place: ``turn`` counts messages from 1; 0 is the dialogue as a whole."""

    kind: str
    turn: int = 0
    excerpt: str = ""


def excerpt(text: str, at: int = 0) -> str:
    """A stretch of ``text`` on one line, around the character ``at``."""
    begin = max(0, at - EXCERPT // 3)
    cut = " ".join(text[begin : begin + EXCERPT].split())
    return ("…" if begin else "") + cut + ("…" if begin + EXCERPT < len(text) else "")


def spoken(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """The turns of client and counsellor, with their numbers."""
    return [(n, message) for n, message in enumerate(messages, 1) if message.role != "system"]


def empty_turn(messages: Sequence[Message]) -> Iterator[Finding]:
    for turn, message in enumerate(messages, 1):
        if not message.content.strip():
            yield Finding("empty_turn", turn, message.role)


def same_role_twice(messages: Sequence[Message]) -> Iterator[Finding]:
    before = None
    for turn, message in spoken(messages):
        if message.role == before:
            yield Finding("same_role_twice", turn, excerpt(message.content))
        before = message.role


def looped_turns(messages: Sequence[Message]) -> Iterator[Finding]:
    for index in loops.said_again(messages):
        yield Finding("looped_turns", index + 1, excerpt(messages[index].content))


def leaked_speaker_tag(messages: Sequence[Message]) -> Iterator[Finding]:
    for turn, message in spoken(messages):
        for tag in speaker_tags.tags(message.content):
            yield Finding("leaked_speaker_tag", turn, excerpt(message.content, tag.start))


def stage_direction(messages: Sequence[Message]) -> Iterator[Finding]:
    for turn, message in spoken(messages):
        for begin, end in stage_directions.spans(message.content):
            yield Finding("stage_direction", turn, excerpt(message.content[begin:end]))


def replacement_character(messages: Sequence[Message]) -> Iterator[Finding]:
    for turn, message in enumerate(messages, 1):
        if (at := message.content.find("\ufffd")) >= 0:
            yield Finding("replacement_character", turn, excerpt(message.content, at))


def contact_or_link(messages: Sequence[Message]) -> Iterator[Finding]:
    for turn, message in spoken(messages):
        for at in contacts.places(message.content):
            yield Finding("contact_or_link", turn, excerpt(message.content, at))


def one_role_only(messages: Sequence[Message]) -> Iterator[Finding]:
    roles = {message.role for _, message in spoken(messages)}
    if len(roles) < 2:
        yield Finding("one_role_only", 0, f"only {roles.pop()}" if roles else "no turn at all")


def wrong_first_speaker(messages: Sequence[Message]) -> Iterator[Finding]:
    for turn, message in spoken(messages)[:1]:
        if message.role == "counselor":
            yield Finding("wrong_first_speaker", turn, excerpt(message.content))


def ends_on_client(messages: Sequence[Message]) -> Iterator[Finding]:
    for turn, message in spoken(messages)[-1:]:
        if message.role == "client":
            yield Finding("ends_on_client", turn, excerpt(message.content))


Detector = Callable[[Sequence[Message]], Iterator[Finding]]

DETECTORS: tuple[Detector, ...] = (
    empty_turn,
    same_role_twice,
    looped_turns,
    leaked_speaker_tag,
    stage_direction,
    replacement_character,
    contact_or_link,
    one_role_only,
    wrong_first_speaker,
    ends_on_client,
)


def found_in(messages: Sequence[Message]) -> Iterator[Finding]:
    """Everything that the detectors see in one dialogue, each detector named as its kind."""
    for detector in DETECTORS:
        yield from detector(messages)
