"""Whether the sides of a released study are what was committed to before it began. Pure.

``epochs.json`` of a release is a list of ``EpochTold``. How a side follows from a seed is said in
``allocation``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, StringConstraints

from mi_arena.study.allocation import commitment, tuned_side
from mi_arena.study.fingerprint import epoch_fingerprint

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes."""


class EpochTold(BaseModel):
    """What a release says of an epoch. While it is open: that it was opened, and the commitment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: str
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
    battles: int | None
    """How many were begun: their indices are 0 to this number less 1, less ``doubled``."""
    withheld: dict[str, int] | None
    """How many of them the release leaves out, by reason."""
    doubled: list[int] = []
    """The index of each battle that shares it with an earlier one: two copies of the app, neither
    of which saw the other, gave it twice. Told of closed epochs."""


class BattleTold(NamedTuple):
    """A battle as a release has it."""

    battle: str
    epoch: str
    allocation_index: int
    tuned_side: str


class Problem(NamedTuple):
    """Something that does not hold, in one line; ``battle`` where it is one's."""

    battle: str | None
    what: str


@dataclass(frozen=True)
class EpochAudit:
    """What was found of one epoch."""

    epoch: str
    open: bool
    battles: int
    """In the release."""
    begun: int | None
    withheld: Mapping[str, int]
    gaps: list[int]
    """Indices of which the release has no battle."""
    problems: list[Problem] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    """Indices that two copies of the app gave, as the release tells."""

    @property
    def holds(self) -> bool:
        return not self.problems


def audit(
    epochs: Iterable[EpochTold],
    battles: Iterable[BattleTold],
    sides: Mapping[str, tuple[str, str]],
) -> list[EpochAudit]:
    """Every epoch in its order, and one of its own for battles of no epoch that is told.

    ``sides``: by battle, what its judgement says stood on A and on B.
    """
    by_epoch: dict[str, list[BattleTold]] = {}
    for battle in battles:
        by_epoch.setdefault(battle.epoch, []).append(battle)
    found = [_audit(epoch, by_epoch.pop(epoch.epoch, []), sides) for epoch in epochs]
    for name, stray in sorted(by_epoch.items()):
        problems = [Problem(one.battle, "its epoch is not in epochs.json") for one in stray]
        found.append(EpochAudit(name, False, len(stray), None, {}, [], problems))
    return found


def _audit(
    told: EpochTold, battles: list[BattleTold], sides: Mapping[str, tuple[str, str]]
) -> EpochAudit:
    battles = sorted(battles, key=lambda one: (one.allocation_index, one.battle))
    is_open = told.closed_on is None
    there = {one.allocation_index for one in battles}
    gaps = [] if is_open else [i for i in range(_indices(told)) if i not in there]
    problems = (
        [Problem(one.battle, "is of an open epoch") for one in battles]
        if is_open
        else [
            *_of_the_epoch(told),
            *_of_the_indices(told, battles),
            *_of_the_sides(told, battles, sides),
        ]
    )
    return EpochAudit(
        epoch=told.epoch,
        open=is_open,
        battles=len(battles),
        begun=told.battles,
        withheld=told.withheld or {},
        gaps=gaps,
        problems=problems,
        doubled=told.doubled,
    )


def _of_the_epoch(told: EpochTold) -> list[Problem]:
    problems = []
    if told.seed is None:
        problems.append(Problem(None, f"its seed is not told: {told.no_seed_because}"))
    elif commitment(bytes.fromhex(told.seed)) != told.seed_commitment:
        problems.append(Problem(None, "its seed is not the one that was committed to"))
    if told.served is None or epoch_fingerprint(told.served) != told.fingerprint:
        problems.append(Problem(None, "what was served does not have the epoch's fingerprint"))
    return problems


def _indices(told: EpochTold) -> int:
    """How many different ones were given."""
    return (told.battles or 0) - len(told.doubled)


def _of_the_indices(told: EpochTold, battles: list[BattleTold]) -> list[Problem]:
    problems = []
    begun, withheld = told.battles or 0, sum((told.withheld or {}).values())
    missing = begun - len(battles)
    if missing != withheld:
        problems.append(
            Problem(
                None,
                f"of {begun} battles {missing} are not in the release, "
                f"and it names reasons for {withheld}",
            )
        )
    times, doubled = Counter(one.allocation_index for one in battles), Counter(told.doubled)
    for one in battles:
        if times[one.allocation_index] > 1 + doubled[one.allocation_index]:
            problems.append(Problem(one.battle, f"has index {one.allocation_index} with another"))
        if not 0 <= one.allocation_index < _indices(told):
            problems.append(
                Problem(one.battle, f"has index {one.allocation_index}; {begun} battles were begun")
            )
    return problems


def _of_the_sides(
    told: EpochTold, battles: list[BattleTold], sides: Mapping[str, tuple[str, str]]
) -> list[Problem]:
    problems = []
    for one in battles:
        if told.seed is not None and one.allocation_index >= 0:
            due = tuned_side(bytes.fromhex(told.seed), one.allocation_index)
            if one.tuned_side != due:
                problems.append(
                    Problem(
                        one.battle,
                        f"index {one.allocation_index}: tuned is on {one.tuned_side}, "
                        f"by the seed on {due}",
                    )
                )
        stood = sides.get(one.battle)
        if stood is not None and stood != _systems(one.tuned_side):
            problems.append(
                Problem(one.battle, f"its judgement has {stood[0]} on A, its battle the other")
            )
    return problems


def _systems(tuned_on: str) -> tuple[str, str]:
    return ("tuned", "base") if tuned_on == "A" else ("base", "tuned")
