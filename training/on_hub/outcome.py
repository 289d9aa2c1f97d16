"""How a job's work ended, as the worker leaves it for whoever follows the run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Outcome(BaseModel):
    """Of one attempt; an earlier one's must not be taken for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempt: int
    code: int
    """The fine-tune's exit code, or one that says the same."""
    reason: Literal["ended", "time", "stop"]
    """It ended by itself, its time was over, or it was asked to stop."""
    error: str | None = None
    """One line."""
