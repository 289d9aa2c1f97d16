"""How replies are sampled: a part of a pair, of what an engine is asked, and of an epoch's hash."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Decoding(BaseModel):
    """How both arms of a pair are sampled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_new_tokens: int = Field(default=256, ge=1, le=4096)
    temperature: float = Field(default=0.7, ge=0, le=2, description="0 is greedy")
    top_p: float = Field(default=0.9, gt=0, le=1)
    top_k: int = Field(default=0, ge=0, description="0 keeps all")
    repetition_penalty: float = Field(default=1.0, ge=1, le=2)
