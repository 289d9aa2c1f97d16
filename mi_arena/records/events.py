"""The events of the study: one envelope, one payload type per kind.

An event says what happened, never what follows from it: everything a page shows is derived from
these.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

from pydantic import (
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mi_arena.records.audit_events import AdminActed
from mi_arena.records.battle_events import (
    BattleEnded,
    BattleFlagged,
    BattleStarted,
    ClientSaid,
    ConsentGiven,
    EpochClosed,
    EpochOpened,
    Judgement,
    Replied,
    ReplyWithheld,
    Withdrawn,
)
from mi_arena.records.member_events import (
    MemberAdmitted,
    MemberInvited,
    MemberNamed,
    MemberRevoked,
    SignInsEnded,
)
from mi_arena.records.payloads import EventId, Kind, Payload, Record, Role, Short, Utc
from mi_arena.records.release_events import ReleasePushed
from mi_arena.records.review_events import ReviewGiven, ReviewSetClosed, ReviewSetOpened
from mi_arena.records.suggestion_events import CodingSuggested, SuggestionsAllowed
from mi_arena.records.workspace_events import (
    BattleDrawn,
    CodingSubmitted,
    DialogueImported,
    ImportTakenBack,
    MatchJudged,
    PracticeBarSet,
    PracticeDone,
    RaterLeft,
    WorkAssigned,
    WorkReleased,
)

PAYLOADS: dict[Kind, type[Payload]] = {
    payload.kind: payload
    for payload in (
        EpochOpened,
        EpochClosed,
        ConsentGiven,
        BattleStarted,
        ClientSaid,
        Replied,
        ReplyWithheld,
        BattleFlagged,
        BattleEnded,
        Judgement,
        Withdrawn,
        MemberInvited,
        MemberNamed,
        MemberRevoked,
        MemberAdmitted,
        SignInsEnded,
        AdminActed,
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
        SuggestionsAllowed,
        CodingSuggested,
        ReviewSetOpened,
        ReviewGiven,
        ReviewSetClosed,
        ReleasePushed,
    )
}


def new_event_id() -> str:
    """An id that no other event has, wherever it is stored."""
    return uuid4().hex


class Event(Record):
    """One thing that happened. ``kind`` decides the type of ``payload``."""

    event_id: EventId = Field(default_factory=new_event_id)
    kind: Kind
    created_at: Utc = Field(default_factory=lambda: datetime.now(UTC))
    epoch: Short | None = None
    rater: Short | None = None
    """A pseudonym; nothing that names a person."""
    role: Role
    payload: SerializeAsAny[Payload]

    @classmethod
    def of(
        cls,
        payload: Payload,
        *,
        role: Role,
        epoch: str | None = None,
        rater: str | None = None,
        event_id: str | None = None,
    ) -> Self:
        """A new event that happens now, of the payload's own kind."""
        return cls(
            event_id=event_id or new_event_id(),
            kind=payload.kind,
            epoch=epoch,
            rater=rater,
            role=role,
            payload=payload,
        )

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
