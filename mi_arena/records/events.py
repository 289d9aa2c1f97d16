"""The events of the study: one envelope, one payload type per kind.

An event says what happened, never what follows from it: everything a page shows is derived from
these. Error messages name fields and rules but never repeat what somebody wrote.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import uuid4

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mi_arena.dialogue import Dialogue, Message
from mi_arena.miti.coding import Coding

Kind = Literal[
    "epoch_opened",
    "epoch_closed",
    "consent_given",
    "battle_started",
    "client_said",
    "replied",
    "battle_flagged",
    "battle_ended",
    "judgement",
    "withdrawn",
    "member_invited",
    "member_named",
    "member_revoked",
    "battle_drawn",
    "dialogue_imported",
    "import_taken_back",
    "work_assigned",
    "work_released",
    "rater_left",
    "coding_submitted",
    "match_judged",
    "practice_bar_set",
    "practice_done",
    "review_set_opened",
    "review_given",
    "review_set_closed",
]
Role = Literal["public", "expert", "admin"]
Side = Literal["A", "B"]
Overall = Literal["A", "B", "tie", "both_unacceptable"]
MiPoint = Literal["partnership", "empathy", "evoking", "softening", "autonomy"]
ReviewTask = Literal["rating", "rewrite"]
RatingDimension = Literal["comprehensiveness", "professionalism", "authenticity", "safety"]
ReviewVerdict = Literal["accepted", "rejected", "edited"]

MAX_TEXT = 8_000
"""Characters a client may write in one round."""
MAX_REPLY = 32_768
"""Characters kept of a reply: what the most tokens a turn may have can spell, and room to spare."""
MAX_REASON = 2_000
MAX_MESSAGES = 1_000
"""Messages of an imported dialogue."""
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

Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON)]
System = Annotated[
    str, StringConstraints(pattern=r"^(base|base_prompted|tuned|reference|remote:\S{1,100})$")
]
"""What answered in an evaluation."""
Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){4,64}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
EventId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(strict=True, ge=0)]
Ordinal = Annotated[int, Field(strict=True, ge=1)]
Utc = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Payload(_Record):
    """What an event of one kind tells.

    ``needs`` names the parts of the envelope without which the kind means nothing. The store's
    constraints rely on them: SQLite takes two missing values for two different ones, so a
    judgement without a rater could be doubled.
    """

    kind: ClassVar[Kind]
    needs: ClassVar[frozenset[Literal["epoch", "rater"]]] = frozenset()


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


class Reply(_Record):
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
    reason: Literal["start_over", "crisis"]


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


class MemberInvited(Payload):
    """An admin made a personal invite code; of the code itself only a keyed hash is kept."""

    kind = "member_invited"

    member: Short
    role: Literal["expert", "admin"]
    label: Short | None = None
    """What admins call this person; told to admins only and never released."""
    code_hash: Sha256


class MemberNamed(Payload):
    """An admin calls a member something else from now on, or nothing."""

    kind = "member_named"

    member: Short
    label: Short | None = None
    """Like that of the invitation: told to admins only and never released."""


class MemberRevoked(Payload):
    """A member's code and every sign-in made with it no longer count."""

    kind = "member_revoked"

    member: Short


class BattleDrawn(Payload):
    """A judged battle became material for experts: two dialogues and the match of both."""

    kind = "battle_drawn"
    needs = frozenset({"epoch"})

    battle: Short
    match: Short
    dialogues: dict[Side, Short]
    """Opaque ids; what was said stays in the battle's own events."""

    @field_validator("dialogues")
    @classmethod
    def _both(cls, dialogues: dict[Side, str]) -> dict[Side, str]:
        if len(set(dialogues.values())) != 2:
            raise ValueError("both sides' dialogues are drawn together")
        return dialogues


class DialogueImported(Payload):
    """A dialogue from a file became material for experts."""

    kind = "dialogue_imported"

    dialogue: Short
    """Opaque: a rater who knows the file cannot tell the dialogue by it."""
    messages: list[Message] = Field(min_length=2, max_length=MAX_MESSAGES)
    system: System
    pair: Short
    match: Short | None = None
    topic: Short | None = None
    lang: Short
    batch: Short | None = None
    """The import it came with, which can be taken back; records before this was told lack it."""
    file: Short | None = None
    """What the imported file was called; told to admins only."""


class ImportTakenBack(Payload):
    """What came with an import is no longer material: it was the wrong file, say."""

    kind = "import_taken_back"

    batch: Short
    dialogues: list[Short] = Field(min_length=1)
    """All that the import held."""


class WorkAssigned(Payload):
    """A rater (of the envelope) is to code a dialogue or to judge a match."""

    kind = "work_assigned"
    needs = frozenset({"rater"})

    assignment: Short
    task: Literal["coding", "match"]
    target: Short
    """The dialogue's or the match's id."""


class WorkReleased(Payload):
    """What was assigned and not finished is no longer to be done by that rater."""

    kind = "work_released"
    needs = frozenset({"rater"})

    assignment: Short


class RaterLeft(Payload):
    """A rater (of the envelope) takes no more work in this study, from now on and for good."""

    kind = "rater_left"
    needs = frozenset({"rater"})


class CodingSubmitted(Payload):
    """A rater handed a coding in. A correction is another one, with the next revision."""

    kind = "coding_submitted"
    needs = frozenset({"rater"})

    coding: Short
    revision: Ordinal
    source: Literal["assigned", "self", "adjudicated", "judge"]
    dialogue: Short
    assignment: Short | None = None
    battle: Short | None = None
    side: Side | None = None
    """Of a battle that its own rater coded (``self``)."""
    trained: bool
    """Whether the rater had passed practice when this was handed in."""
    revealed: bool = False
    """Whether the rater had been told the arms before (``self``)."""
    form: Literal["full", "quick"]
    filled: Coding
    reason: Reason | None = None
    """Why an adjudicated coding says what it says."""

    @model_validator(mode="after")
    def _knows_where_it_comes_from(self) -> Self:
        needed = {
            "assigned": ("assignment",),
            "self": ("battle", "side"),
            "adjudicated": ("reason",),
            "judge": (),
        }[self.source]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a coding that is {self.source} needs {' and '.join(missing)}")
        return self


class MatchJudged(Verdict):
    """A rater's verdict on a match that was assigned to them."""

    kind = "match_judged"
    needs = frozenset({"rater"})

    assignment: Short
    match: Short
    a_dialogue: Short
    """Which of the two stood on side A."""


class PracticeBarSet(Payload):
    """An admin said what passing practice takes, from now on."""

    kind = "practice_bar_set"

    share: Annotated[float, Field(gt=0, le=1)]
    """Of a vignette's utterances that must carry the known code."""
    globals_within: Annotated[int, Field(strict=True, ge=0, le=4)]
    """How far each global may lie from the known one."""
    vignettes: Annotated[int, Field(strict=True, ge=1, le=10)]
    """How many vignettes must be passed."""


class PracticeDone(Payload):
    """A rater coded a vignette whose codes are known; what they were told is derived from this."""

    kind = "practice_done"
    needs = frozenset({"rater"})

    vignette: Short
    filled: Coding


class ReviewItem(_Record):
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


PAYLOADS: dict[Kind, type[Payload]] = {
    payload.kind: payload
    for payload in (
        EpochOpened,
        EpochClosed,
        ConsentGiven,
        BattleStarted,
        ClientSaid,
        Replied,
        BattleFlagged,
        BattleEnded,
        Judgement,
        Withdrawn,
        MemberInvited,
        MemberNamed,
        MemberRevoked,
        BattleDrawn,
        DialogueImported,
        ImportTakenBack,
        WorkAssigned,
        WorkReleased,
        RaterLeft,
        CodingSubmitted,
        MatchJudged,
        PracticeBarSet,
        PracticeDone,
        ReviewSetOpened,
        ReviewGiven,
        ReviewSetClosed,
    )
}


class Event(_Record):
    """One thing that happened. ``kind`` decides the type of ``payload``."""

    event_id: EventId = Field(default_factory=lambda: uuid4().hex)
    kind: Kind
    created_at: Utc = Field(default_factory=lambda: datetime.now(UTC))
    epoch: Short | None = None
    rater: Short | None = None
    """A pseudonym; nothing that names a person."""
    role: Role
    payload: SerializeAsAny[Payload]

    @classmethod
    def of(
        cls, payload: Payload, *, role: Role, epoch: str | None = None, rater: str | None = None
    ) -> Self:
        """A new event that happens now, of the payload's own kind."""
        return cls(kind=payload.kind, epoch=epoch, rater=rater, role=role, payload=payload)

    @field_validator("payload", mode="before")
    @classmethod
    def _payload_of_its_kind(cls, payload: Any, info: ValidationInfo) -> Payload:
        kind = info.data.get("kind")
        if kind is None:
            raise ValueError("a payload needs a known kind")
        expected = PAYLOADS[kind]
        if isinstance(payload, Payload):
            if type(payload) is not expected:
                raise ValueError(f"the payload is a {payload.kind}, the event a {kind}")
            return payload
        try:
            return expected.model_validate(payload)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or kind
            raise ValueError(f"{where}: {first['msg']}") from None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        missing = [name for name in sorted(self.payload.needs) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a {self.kind} needs {' and '.join(missing)}")
        return self
