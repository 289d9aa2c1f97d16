"""The inside of a simulated client: what a counsellor's reply does to it, and how it speaks next.

Pure: behaviours in, numbers and a stance out, by the table in ``client_rules.yaml``. It knows no
text, no model and no system, so that the same behaviours move every client in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from eval.simulate.behaviours import Behaviour

Stage = Literal[
    "precontemplation", "contemplation", "preparation", "action", "maintenance", "relapse"
]
Resistance = Literal["low", "medium", "high"]
Mood = Literal["sustain", "ambivalent", "change", "disengaging"]
"""Stances in which a talk goes on."""
Stance = Literal["sustain", "ambivalent", "change", "disengaging", "commitment", "leaving"]
"""How the client speaks next; the last two end the talk."""
CLOSING: tuple[Stance, ...] = ("commitment", "leaving")

LOWEST, HIGHEST = 0.0, 10.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Move(_Strict):
    """Points of readiness and engagement."""

    readiness: float
    engagement: float


class Gain(_Strict):
    """What is earned: never less than nothing."""

    readiness: float = Field(ge=0)
    engagement: float = Field(ge=0)


class Loss(_Strict):
    """What is lost: never more than nothing."""

    readiness: float = Field(le=0)
    engagement: float = Field(le=0)


class Start(_Strict):
    stage: dict[Stage, float]
    weight_of_rulers: float = Field(ge=0, le=1)
    least: float
    most: float
    engagement: dict[Resistance, float]


class Factors(_Strict):
    earned: float = Field(gt=0)
    lost: float = Field(gt=0)


class Thresholds(_Strict):
    leaves_at: float
    disengaging_below: float
    commits_at: float
    change_from: float
    ambivalent_from: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.ambivalent_from < self.change_from < self.commits_at:
            raise ValueError("ambivalent_from < change_from < commits_at")
        if not self.leaves_at < self.disengaging_below:
            raise ValueError("leaves_at < disengaging_below")
        return self


class Rules(_Strict):
    """The table, as it is written."""

    version: str
    start: Start
    earned: dict[Mood, dict[Behaviour, Gain]]
    lost: dict[Mood, dict[Behaviour, Loss]]
    broken: dict[Behaviour, Loss]
    nothing: Loss
    resistance: dict[Resistance, Factors]
    spoils: frozenset[Behaviour]
    questions_alone: int = Field(ge=1)
    most_a_round: float = Field(gt=0)
    stances: Thresholds


@cache
def rules() -> Rules:
    text = files("eval.simulate").joinpath("client_rules.yaml").read_text(encoding="utf-8")
    return Rules.model_validate(yaml.safe_load(text))


@dataclass(frozen=True)
class ClientState:
    """A client between two turns; both numbers are 0–10, with two decimals."""

    readiness: float
    engagement: float
    resistance: Resistance
    questions_alone: int = 0
    """Replies in a row, up to the last one, that did nothing but ask."""

    @property
    def stance(self) -> Stance:
        at = rules().stances
        if self.engagement <= at.leaves_at:
            return "leaving"
        if self.engagement < at.disengaging_below:
            return "disengaging"
        if self.readiness >= at.commits_at:
            return "commitment"
        if self.readiness >= at.change_from:
            return "change"
        return "ambivalent" if self.readiness >= at.ambivalent_from else "sustain"


def begin(stage: Stage, importance: int, confidence: int, resistance: Resistance) -> ClientState:
    """A client before the first word; ``importance`` and ``confidence`` are the rulers, 0–10."""
    start = rules().start
    rulers = (importance + confidence) / 2
    weight = start.weight_of_rulers
    readiness = (1 - weight) * start.stage[stage] + weight * rulers
    readiness = min(max(readiness, start.least), start.most)
    return ClientState(round(readiness, 2), start.engagement[resistance], resistance)


def moved(state: ClientState, done: Collection[Behaviour]) -> ClientState:
    """The client after a reply in which the counsellor did ``done``, spoken to in its stance.

    Readiness rises by what was earned alone. In a closing stance nothing moves any more.
    """
    table, stance = rules(), state.stance
    if stance in CLOSING:
        return state
    questions_alone = state.questions_alone + 1 if _only_asks(done) else 0
    heard = set(done)
    if heard & table.spoils:
        heard -= table.earned[_mood(stance)].keys()
    if questions_alone > table.questions_alone:
        heard.discard("open_question")
    factors = table.resistance[state.resistance]
    earned = _sum(table.earned[_mood(stance)], heard)
    lost = _sum(table.lost[_mood(stance)] | table.broken, heard)
    if earned == lost == Move(readiness=0, engagement=0):
        lost = Move(readiness=table.nothing.readiness, engagement=table.nothing.engagement)
    readiness = factors.earned * earned.readiness + factors.lost * lost.readiness
    engagement = factors.earned * earned.engagement + factors.lost * lost.engagement
    return ClientState(
        _bounded(state.readiness + min(readiness, table.most_a_round)),
        _bounded(state.engagement + engagement),
        state.resistance,
        questions_alone,
    )


def earns(state: ClientState, done: Collection[Behaviour]) -> bool:
    """Whether a reply holds anything that can raise readiness in the client's stance."""
    stance = state.stance
    if stance in CLOSING or set(done) & rules().spoils:
        return False
    table = rules().earned[_mood(stance)]
    return any(table[one].readiness > 0 for one in done if one in table)


def _mood(stance: Stance) -> Mood:
    assert stance not in CLOSING
    return cast(Mood, stance)


def _only_asks(done: Collection[Behaviour]) -> bool:
    return bool(done) and set(done) <= {"open_question", "closed_question"}


def _sum(table: Mapping[Behaviour, Gain | Loss], done: Collection[Behaviour]) -> Move:
    # Sorted, so that the sum is the same in whatever order a set gives its members.
    moves = [table[one] for one in sorted(done) if one in table]
    return Move(
        readiness=sum(move.readiness for move in moves),
        engagement=sum(move.engagement for move in moves),
    )


def _bounded(value: float) -> float:
    return round(min(max(value, LOWEST), HIGHEST), 2)
