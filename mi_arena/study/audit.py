"""Whether the sides of a released study are what was committed to before it began. Pure.

How a side follows from a seed is said in ``allocation``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mi_arena.study.allocation import commitment, tuned_side
from mi_arena.study.fingerprint import epoch_fingerprint
from mi_arena.study.told import BattleTold, EpochTold, Told


class Problem(NamedTuple):
    """Something that does not hold, in one line, and what it is about as far as that is known."""

    epoch: str | None
    battle: str | None
    what: str


@dataclass(frozen=True)
class EpochAudit:
    """What was found of one epoch."""

    epoch: str
    open: bool
    commitment: str
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


@dataclass(frozen=True)
class Audit:
    """What was found of a release."""

    epochs: list[EpochAudit]
    others: list[Problem]
    """Of no epoch that it tells of."""

    @property
    def holds(self) -> bool:
        return not self.others and all(epoch.holds for epoch in self.epochs)


def audit(told: Told, more: Iterable[Problem] = ()) -> Audit:
    """Every epoch in its order; ``more`` is what else was found and belongs to them."""
    battles: dict[str, list[BattleTold]] = {}
    for battle in told.battles:
        battles.setdefault(battle.epoch, []).append(battle)
    epochs = [_audit(epoch, battles.pop(epoch.epoch, [])) for epoch in told.epochs]
    strays = [one for _, stray in sorted(battles.items()) for one in stray]
    others = [Problem(one.epoch, one.battle, "its epoch is not in epochs.json") for one in strays]
    by_name = {epoch.epoch: epoch for epoch in epochs}
    for name, times in Counter(epoch.epoch for epoch in epochs).items():
        if times > 1:
            by_name[name].problems.append(Problem(name, None, "stands twice in epochs.json"))
    for problem in more:
        place = by_name.get(problem.epoch or "")
        (place.problems if place else others).append(problem)
    return Audit(epochs, others)


def _audit(told: EpochTold, battles: list[BattleTold]) -> EpochAudit:
    battles = sorted(battles, key=lambda one: (one.allocation_index, one.battle))
    there = {one.allocation_index for one in battles}
    gaps = [index for index in range(_indices(told)) if index not in there]
    problems = (
        [*_of_an_open_epoch(told), *(_problem(one, "is of an open epoch") for one in battles)]
        if told.open
        else [
            *_of_the_epoch(told),
            *_of_the_indices(told, battles),
            *_of_the_sides(told, battles),
        ]
    )
    return EpochAudit(
        epoch=told.epoch,
        open=told.open,
        commitment=told.seed_commitment,
        battles=len(battles),
        begun=told.battles,
        withheld=told.withheld or {},
        gaps=gaps,
        problems=problems,
        doubled=told.doubled,
    )


def _of_an_open_epoch(told: EpochTold) -> Iterator[Problem]:
    for name in ("seed", "served", "battles", "withheld", "doubled"):
        if getattr(told, name) not in (None, []):
            yield Problem(told.epoch, None, f"its {name} is told, and it is open")


def _of_the_epoch(told: EpochTold) -> Iterator[Problem]:
    if told.seed is None:
        yield Problem(told.epoch, None, f"its seed is not told: {told.no_seed_because}")
    elif commitment(bytes.fromhex(told.seed)) != told.seed_commitment:
        yield Problem(told.epoch, None, "its seed is not the one that was committed to")
    if told.served is None or epoch_fingerprint(told.served) != told.fingerprint:
        yield Problem(told.epoch, None, "what was served does not have the epoch's fingerprint")
    if told.battles is None:
        yield Problem(told.epoch, None, "how many battles were begun is not told")
    for index in sorted(set(told.doubled)):
        if index >= _indices(told):
            yield Problem(told.epoch, None, f"index {index} is told as doubled, and was not given")


def _indices(told: EpochTold) -> int:
    """How many different ones were given."""
    return (told.battles or 0) - len(told.doubled)


def _of_the_indices(told: EpochTold, battles: list[BattleTold]) -> Iterator[Problem]:
    begun, withheld = told.battles or 0, sum((told.withheld or {}).values())
    missing = begun - len(battles)
    if missing != withheld:
        yield Problem(
            told.epoch,
            None,
            f"of {begun} battles {missing} are not in the release, "
            f"and it names reasons for {withheld}",
        )
    times, doubled = Counter(one.allocation_index for one in battles), Counter(told.doubled)
    for one in battles:
        if times[one.allocation_index] > 1 + doubled[one.allocation_index]:
            yield _problem(one, f"has index {one.allocation_index} with another")
        if not _was_begun(told, one):
            yield _problem(one, f"has index {one.allocation_index}; {begun} battles were begun")


def _of_the_sides(told: EpochTold, battles: list[BattleTold]) -> Iterator[Problem]:
    for one in battles:
        if one.pair != told.pair:
            yield _problem(one, f"is of pair {one.pair}, its epoch of {told.pair}")
        # An index beyond the last battle may be any number: no side is computed for it.
        if told.seed is None or not _was_begun(told, one):
            continue
        due = tuned_side(bytes.fromhex(told.seed), one.allocation_index)
        if one.tuned_side != due:
            yield _problem(
                one,
                f"index {one.allocation_index}: tuned is on {one.tuned_side}, by the seed on {due}",
            )


def _was_begun(told: EpochTold, one: BattleTold) -> bool:
    return 0 <= one.allocation_index < _indices(told)


def _problem(one: BattleTold, what: str) -> Problem:
    return Problem(one.epoch, one.battle, what)
