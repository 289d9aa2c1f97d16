"""What a release tells, as far as anybody can check it without the study's secret. Pure.

``epochs.json`` is a list of ``EpochTold``; the others are columns of the tables, by their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from mi_arena.study.allocation import Side
from mi_arena.study.fingerprint import epoch_fingerprint

MOST_BATTLES = 1_000_000
"""Of one epoch: a side is computed from all blocks before it, and gaps are listed."""

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes."""
Id = Annotated[str, StringConstraints(min_length=1)]
Whole = Annotated[int, Field(strict=True)]


class EpochTold(BaseModel):
    """What a release says of an epoch. While it is open: that it was opened, and the commitment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: Id
    pair: str
    opened_on: date
    closed_on: date | None
    closed_for: str | None
    """``admin`` or ``served_changed``."""
    nonce: str
    seed_commitment: Hex32
    """SHA-256 of the seed."""
    seed: Hex32 | None
    """``None`` while the epoch is open, or where it can't be told."""
    no_seed_because: str | None
    fingerprint: Hex32
    served: dict[str, Any] | None
    """What was served; its fingerprint is the epoch's."""
    battles: Annotated[int, Field(strict=True, ge=0, le=MOST_BATTLES)] | None
    """How many were begun: their indices are 0 to this number less 1, less ``doubled``."""
    withheld: dict[str, Annotated[int, Field(strict=True, ge=0)]] | None
    """How many of them the release leaves out, by reason."""
    doubled: list[Annotated[int, Field(strict=True, ge=0)]] = []
    """The index of each battle that shares it with an earlier one: two copies of the app, neither
    of which saw the other, gave it twice. Told of closed epochs."""

    @field_validator("served")
    @classmethod
    def _is_json(cls, served: dict[str, Any] | None) -> dict[str, Any] | None:
        if served is not None:
            epoch_fingerprint(served)  # refuses NaN, which Python's JSON takes
        return served

    @property
    def open(self) -> bool:
        return self.closed_on is None


class BattleTold(NamedTuple):
    """Of the table ``battles``."""

    battle: Id
    rater: str
    epoch: str
    pair: str
    allocation_index: Whole
    tuned_side: Side

    def system_on(self, side: Side) -> str:
        return "tuned" if side == self.tuned_side else "base"


class JudgementTold(NamedTuple):
    """Of the table ``judgements``."""

    judgement: str
    about: Literal["battle", "match"]
    battle: str | None
    match: str | None
    rater: str
    epoch: str | None
    pair: str
    a_system: str
    b_system: str
    overall: Literal["A", "B", "tie", "both_unacceptable"]
    preferred: str


class CodingTold(NamedTuple):
    """Of the table ``codings``."""

    coding: str
    revision: Whole
    dialogue: str
    rater: str
    battle: str | None
    side: Side | None
    system: str
    pair: str
    epoch: str | None


class Tombstone(BaseModel):
    """A line of ``tombstones.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    battle: str
    withdrawn_on: date


Rows = dict[str, list[dict[str, Any]]]
"""By table: whole rows, column to value."""


@dataclass(frozen=True)
class Told:
    """A whole release."""

    epochs: list[EpochTold]
    battles: list[BattleTold]
    judgements: list[JudgementTold]
    codings: list[CodingTold]
    withdrawn: frozenset[str]
    """The battles that have a tombstone."""
