"""What a rater may answer. Changing the form changes ``FORM_VERSION``, and so the epoch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mi_arena.records.battle_events import MiPoint, Overall, Side

FORM_VERSION = "1"
CONSENT_VERSION = "1"
TOPICS = (
    "smoking", "alcohol", "exercise", "diet", "medication", "sleep", "screen", "prevention", "free",
)  # fmt: skip
POINTS: tuple[MiPoint, ...] = ("partnership", "empathy", "evoking", "softening", "autonomy")
OVERALL: tuple[Overall, ...] = ("A", "B", "tie", "both_unacceptable")
REASON_LIMIT = 1000


class Answers(BaseModel):
    """A filled form, in sides as the rater sees them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    overall: Overall
    scales: dict[MiPoint, int] = Field(default_factory=dict)
    """-2 (A clearly better) to 2 (B clearly better); only the points that were answered."""
    reason: str | None = Field(None, max_length=REASON_LIMIT)
    guess: Side | None = None
    confidence: int | None = Field(None, ge=1, le=5)

    @model_validator(mode="after")
    def _in_range(self) -> Answers:
        if any(not -2 <= value <= 2 for value in self.scales.values()):
            raise ValueError("a scale goes from -2 to 2")
        if self.confidence is not None and self.guess is None:
            raise ValueError("a confidence needs a guess")
        return self
