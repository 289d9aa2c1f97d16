"""What all payloads of events have in common: their base, their kinds, and bounded types.

Error messages name fields and rules but never repeat what somebody wrote.
"""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

Kind = Literal[
    "epoch_opened",
    "epoch_closed",
    "consent_given",
    "battle_started",
    "client_said",
    "replied",
    "reply_withheld",
    "battle_flagged",
    "battle_ended",
    "judgement",
    "withdrawn",
    "member_invited",
    "member_named",
    "member_revoked",
    "member_admitted",
    "sign_ins_ended",
    "admin_acted",
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
    "suggestions_allowed",
    "coding_suggested",
    "review_set_opened",
    "review_given",
    "review_set_closed",
    "release_pushed",
]
Role = Literal["public", "expert", "admin"]

MAX_TEXT = 8_000
"""Characters a client may write in one round."""
MAX_REASON = 2_000
MAX_MESSAGES = 1_000
"""Messages of an imported dialogue."""

Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON)]
Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){4,64}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
EventId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(strict=True, ge=0)]
Ordinal = Annotated[int, Field(strict=True, ge=1)]
Utc = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Payload(Record):
    """What an event of one kind tells.

    ``needs`` names the parts of the envelope without which the kind means nothing. The store's
    constraints rely on them: SQLite takes two missing values for two different ones, so a
    judgement without a rater could be doubled.
    """

    kind: ClassVar[Kind]
    needs: ClassVar[frozenset[Literal["epoch", "rater"]]] = frozenset()
