"""What a rater may answer. Changing the form changes ``FORM_VERSION``, and so the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mi_arena.battles.refusal import Refused, cleaned
from mi_arena.battles.state import SIDES
from mi_arena.records.battle_events import MiPoint, Overall, Side

FORM_VERSION = "1"
CONSENT_VERSION = "1"
TOPICS = (
    "smoking", "alcohol", "exercise", "diet", "medication", "sleep", "screen", "prevention", "free",
)  # fmt: skip
POINTS: tuple[MiPoint, ...] = ("partnership", "empathy", "evoking", "softening", "autonomy")
OVERALL: tuple[Overall, ...] = ("A", "B", "tie", "both_unacceptable")
SCALE = ("-2", "-1", "0", "1", "2")
"""What a page sends for a point; ``CONFIDENCE`` and ``GUESSES`` likewise."""
CONFIDENCE = ("1", "2", "3", "4", "5")
GUESSES = (*SIDES, "none")
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

    def cleaned_reason(self) -> str | None:
        """The reason as it is kept; ``None`` where there is none. Raises ``Refused``."""
        if not self.reason or not self.reason.strip():
            return None
        return cleaned(self.reason, REASON_LIMIT)


def answers_of(sent: Mapping[str, Any]) -> Answers:
    """Answers from what a page sent by the names of the form's fields; ``None`` is no answer.

    Raises ``Refused`` for what no form of ours would send.
    """
    guess, confidence = sent.get("guess"), sent.get("confidence")
    guessed = guess in SIDES
    points = {name: sent[name] for name in POINTS if sent.get(name) is not None}
    try:
        return Answers.model_validate(
            {
                "overall": sent.get("overall"),
                "scales": {name: int(value) for name, value in points.items()},
                "reason": sent.get("reason") or None,
                "guess": guess if guessed else None,
                "confidence": int(confidence) if confidence and guessed else None,
            }
        )
    except (ValidationError, ValueError, TypeError):
        raise Refused("bad_answers") from None
