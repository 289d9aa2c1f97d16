"""From a filled review form to an answer and back; pure.

A form is values by the names of its fields: the four dimensions and ``comment`` of a rating;
``verdict``, ``reason`` and ``turn-0``, ``turn-1``… of a rewriting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mi_arena.battles.refusal import Refused, cleaned
from mi_arena.dialogue import Message
from mi_arena.records.payloads import MAX_REASON, MAX_TEXT
from mi_arena.records.review_events import (
    MOST,
    RatingDimension,
    ReviewGiven,
    ReviewItem,
    ReviewVerdict,
)

VERDICTS: tuple[ReviewVerdict, ...] = ("accepted", "rejected", "edited")
LATER = "later"
"""The field that marks a draft whose item its rater has put off."""
LONGEST_FORM = 200_000
"""Characters of all fields."""

Filled = Mapping[str, str]


def fields_of(item: ReviewItem) -> list[str]:
    """The names of the form's fields."""
    if item.rewriting is None:
        return [*MOST, "comment"]
    return ["verdict", "reason", *(name for name, _ in editable(item))]


def editable(item: ReviewItem) -> list[tuple[str, Message]]:
    """The turns of the rewriting that can be edited, by the names of their fields."""
    messages = item.rewriting.messages if item.rewriting else []
    return [(f"turn-{n}", m) for n, m in enumerate(messages) if m.role != "system"]


def kept(item: ReviewItem, sent: Mapping[str, object]) -> dict[str, str]:
    """What a draft keeps of what a page sent: the form's own fields that say something.

    Of the turns only those that are not as the run wrote them. Raises ``Refused``.
    """
    original = {name: message.content for name, message in editable(item)}
    filled: dict[str, str] = {}
    for name in fields_of(item):
        value = sent.get(name)
        if not isinstance(value, str):
            continue
        if name in original:
            # A browser gives a text back with line ends of its own.
            if value.replace("\r\n", "\n") != original[name].replace("\r\n", "\n"):
                filled[name] = value
        elif value:
            filled[name] = value
    length = sum(map(len, filled.values()))
    if length > LONGEST_FORM:
        raise Refused("too_long", limit=LONGEST_FORM, length=length)
    return filled


def answer(set_: str, item: ReviewItem, revision: int, filled: Filled) -> ReviewGiven:
    """The answer that a filled form gives. Raises ``Refused`` for one that is not whole."""
    if item.rewriting is None:
        return ReviewGiven(
            set=set_,
            item=item.item,
            revision=revision,
            scores={name: _score(name, filled) for name in MOST},
            comment=_optional(filled.get("comment", "")),
        )
    verdict = next((one for one in VERDICTS if one == filled.get("verdict")), None)
    if verdict is None:
        raise Refused("review_no_verdict")
    reason = _optional(filled.get("reason", "")) if verdict == "rejected" else None
    if verdict == "rejected" and reason is None:
        raise Refused("review_no_reason")
    return ReviewGiven(
        set=set_,
        item=item.item,
        revision=revision,
        verdict=verdict,
        reason=reason,
        edited=_edited(item, filled) if verdict == "edited" else None,
    )


def filled_by(item: ReviewItem, given: ReviewGiven) -> dict[str, str]:
    """The form as it was when this answer was given."""
    if given.scores is not None:
        scores: dict[str, str] = {name: str(score) for name, score in given.scores.items()}
        return scores | ({"comment": given.comment} if given.comment else {})
    filled = {"verdict": str(given.verdict)}
    if given.reason:
        filled["reason"] = given.reason
    if given.edited:
        now = {f"turn-{n}": message.content for n, message in enumerate(given.edited)}
        filled |= {n: now[n] for n, before in editable(item) if now[n] != before.content}
    return filled


def same_answer(one: ReviewGiven, other: ReviewGiven) -> bool:
    """Whether two answers say the same, whichever revision they are."""
    return one.model_copy(update={"revision": other.revision}) == other


def changed_turns(before: Sequence[Message], after: Sequence[Message]) -> list[int]:
    """The turns, from 1, whose words differ."""
    pairs = enumerate(zip(before, after, strict=True), 1)
    return [number for number, (b, a) in pairs if b.content != a.content]


def _score(name: RatingDimension, filled: Filled) -> int:
    value = filled.get(name, "")
    if value not in {str(score) for score in range(MOST[name] + 1)}:
        raise Refused("review_unfinished")
    return int(value)


def _optional(text: str) -> str | None:
    if not text.strip():
        return None
    return cleaned(text, MAX_REASON)


def _edited(item: ReviewItem, filled: Filled) -> list[Message]:
    """Roles and number of turns are the rewriting's; only words change."""
    assert item.rewriting is not None
    messages = list(item.rewriting.messages)
    for name, before in editable(item):
        text = filled.get(name, before.content)
        if not text.strip():
            raise Refused("review_empty_turn")
        if text != before.content and (now := cleaned(text, MAX_TEXT)) != before.content.strip():
            place = int(name.removeprefix("turn-"))
            messages[place] = Message(role=before.role, content=now)
    if not changed_turns(item.rewriting.messages, messages):
        raise Refused("review_unedited")
    return messages
