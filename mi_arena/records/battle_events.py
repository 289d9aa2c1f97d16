"""Payloads about battles: epochs, consent, what was said, judgements, withdrawals."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

from mi_arena.records.payloads import (
    Count,
    Hex,
    Ordinal,
    Payload,
    Reason,
    Record,
    Sha256,
    Short,
    Text,
)

Side = Literal["A", "B"]
Overall = Literal["A", "B", "tie", "both_unacceptable"]
MiPoint = Literal["partnership", "empathy", "evoking", "softening", "autonomy"]
MAX_REPLY = 32_768
"""Characters kept of a reply: what the most tokens a turn may have can spell, and room to spare."""


class EpochOpened(Payload):
    """A stretch begins in which what is served stays the same; makes its allocation auditable."""

    kind = "epoch_opened"
    needs = frozenset({"epoch"})

    pair: Short
    fingerprint: Sha256
    served: dict[str, JsonValue]
    """What was served, in full: whoever audits the epoch computes the fingerprint from it."""
    nonce: Hex
    seed_commitment: Sha256


class EpochClosed(Payload):
    """The epoch takes no more battles; its identities may be told to experts."""

    kind = "epoch_closed"
    needs = frozenset({"epoch"})

    reason: Literal["admin", "served_changed"]


class ConsentGiven(Payload):
    """A rater agreed to the notice as it stood in that version and language."""

    kind = "consent_given"
    needs = frozenset({"rater"})

    version: Short
    lang: Literal["zh", "en"]


class BattleStarted(Payload):
    """A blind conversation begins. ``tuned_side`` stays on the server until it is judged."""

    kind = "battle_started"
    needs = frozenset({"epoch", "rater"})

    battle: Short
    token_hash: Short
    """Of the token that the browser holds; the token itself is not kept."""
    pair: Short
    topic: Short
    starter: Short | None = None
    lang: Literal["zh", "en"]
    allocation_index: Count
    tuned_side: Side


class ClientSaid(Payload):
    """The client's turn of a round."""

    kind = "client_said"

    battle: Short
    round: Ordinal
    text: Text


class Reply(Record):
    """What one side answered, with what is needed to audit that both marched together."""

    text: Annotated[str, StringConstraints(max_length=MAX_REPLY)]
    end: Literal["stop", "length", "cancelled", "error"]
    tokens: Count
    prompt_tokens: Count
    messages_left_out: Count
    token_seconds: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        max_length=MAX_REPLY
    )
    """When each token came, in seconds since the turn was submitted."""


class Replied(Payload):
    """Both counsellors' turn of a round, however it ended."""

    kind = "replied"

    battle: Short
    round: Ordinal
    sides: dict[Side, Reply]
    seed: Annotated[int, Field(strict=True)]
    error: Text | None = None

    @field_validator("sides")
    @classmethod
    def _both(cls, sides: dict[Side, Reply]) -> dict[Side, Reply]:
        if len(sides) != 2:
            raise ValueError("both sides are recorded together")
        return sides


class ReplyWithheld(Payload):
    """A reply was not fit to be shown: both are withheld and the round is open again.

    No text of either is kept; ``terms`` are ids of patterns.
    """

    kind = "reply_withheld"

    battle: Short
    round: Ordinal
    category: Short
    source: Side
    terms: list[Short] = Field(max_length=100)


class BattleFlagged(Payload):
    """A sign of danger was seen. ``terms`` are ids of patterns, never what was written."""

    kind = "battle_flagged"

    battle: Short
    round: Ordinal
    category: Short
    source: Literal["client", "A", "B"]
    terms: list[Short] = Field(max_length=100)


class BattleEnded(Payload):
    """A battle ended before it was judged."""

    kind = "battle_ended"

    battle: Short
    reason: Literal["start_over", "crisis", "withheld", "minor"]


class Verdict(Payload):
    """The judgement form as it was filled, in sides as the rater saw them."""

    overall: Overall
    scales: dict[MiPoint, Annotated[int, Field(strict=True, ge=-2, le=2)]] = Field(
        default_factory=dict
    )
    """The MI points that were answered, from -2 (A clearly better) to 2 (B clearly better)."""
    reason: Reason | None = None
    guess: Side | None = None
    """Which side the rater took for the tuned one."""
    confidence: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None
    form_version: Short

    @model_validator(mode="after")
    def _confidence_is_in_a_guess(self) -> Self:
        if self.confidence is not None and self.guess is None:
            raise ValueError("a confidence needs a guess")
        return self


class Judgement(Verdict):
    """A rater's verdict on a battle of their own."""

    kind = "judgement"
    needs = frozenset({"epoch", "rater"})

    battle: Short
    rounds: Count
    ordinal: Ordinal
    """1 for this rater's first judgement ever: one reveal teaches the style."""
    receipt_hash: Short


class Withdrawn(Payload):
    """The holder of the receipt took a battle's record back; it no longer counts."""

    kind = "withdrawn"

    battle: Short
    receipt_hash: Short
