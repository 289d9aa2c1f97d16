"""Payloads about review sets: corpora that experts rate, rewritings that they review."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from mi_arena.dialogue import Dialogue, Message
from mi_arena.records.payloads import MAX_MESSAGES, Count, Ordinal, Payload, Reason, Record, Short

ReviewTask = Literal["rating", "rewrite"]
RatingDimension = Literal["comprehensiveness", "professionalism", "authenticity", "safety"]
ReviewVerdict = Literal["accepted", "rejected", "edited"]
MAX_REVIEW_ITEMS = 1_000
MAX_REVIEW_SET = 8_000_000
"""Characters said in all dialogues of a review set."""
MOST: dict[RatingDimension, int] = {
    "comprehensiveness": 2,
    "professionalism": 4,
    "authenticity": 3,
    "safety": 1,
}
"""The highest score of each dimension on which a corpus is rated; the lowest is 0."""


class ReviewItem(Record):
    """One dialogue of a review set."""

    item: Short
    """Opaque: a rater who knows the run's files cannot tell the dialogue by it."""
    name: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    """What the run calls it; told to admins only."""
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    """What is rated; of a rewriting, its source."""
    rewriting: Dialogue | None = None
    """As the run wrote it, provenance and all."""
    sensitive: bool = False
    """Whether it touches self-harm, abuse and the like: raters are told and may leave it."""


class ReviewSetOpened(Payload):
    """Dialogues of a run were sent to the experts; nobody in particular has to take one."""

    kind = "review_set_opened"

    set: Short
    task: ReviewTask
    run: Short
    """The run's folder; told to admins only."""
    each: Annotated[int, Field(strict=True, ge=1, le=20)]
    """How many experts each item needs."""
    seed: Annotated[int, Field(strict=True)] | None = None
    """Of the draw, where not all of the run's dialogues were sent."""
    items: list[ReviewItem] = Field(min_length=1, max_length=MAX_REVIEW_ITEMS)

    @model_validator(mode="after")
    def _holds_what_its_task_needs(self) -> Self:
        if len({item.item for item in self.items}) != len(self.items):
            raise ValueError("two items have one id")
        if any((item.rewriting is not None) != (self.task == "rewrite") for item in self.items):
            raise ValueError("rewritings are in sets of rewritings, and only there")
        if sum(map(said_in, self.items)) > MAX_REVIEW_SET:
            raise ValueError(f"more than {MAX_REVIEW_SET} characters are said in all dialogues")
        return self


def said_in(item: ReviewItem) -> int:
    """The characters of an item's dialogues."""
    rewritten = item.rewriting.messages if item.rewriting else []
    return sum(len(message.content) for message in [*item.messages, *rewritten])


class ReviewGiven(Payload):
    """A rater's answer to an item. A correction is another one; the last of a rater counts."""

    kind = "review_given"
    needs = frozenset({"rater"})

    set: Short
    item: Short
    revision: Ordinal
    scores: dict[RatingDimension, Count] | None = None
    comment: Reason | None = None
    verdict: ReviewVerdict | None = None
    reason: Reason | None = None
    """Why a rewriting was rejected."""
    edited: list[Message] | None = Field(None, min_length=1, max_length=MAX_MESSAGES)
    """All messages of the rewriting, as the rater would have them."""

    @model_validator(mode="after")
    def _is_one_whole_answer(self) -> Self:
        if (self.scores is None) == (self.verdict is None):
            raise ValueError("an answer is either scores or a verdict")
        if self.scores is not None and (
            self.scores.keys() != MOST.keys()
            or any(score > MOST[name] for name, score in self.scores.items())
        ):
            raise ValueError("a rating has all four scores, each within its range")
        if (self.verdict == "rejected") != bool(self.reason):
            raise ValueError("a reason belongs to a rejection, and a rejection needs one")
        if (self.verdict == "edited") != (self.edited is not None):
            raise ValueError("edited messages belong to the verdict edited, which needs them")
        return self


class ReviewSetClosed(Payload):
    """A review set takes no more answers; those that it has stay."""

    kind = "review_set_closed"

    set: Short
