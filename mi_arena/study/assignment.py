"""Who codes which dialogues and who judges which matches; what a target is, is not known here.

A target (a dialogue or a match) is an opaque id. What must go to the same raters is one unit: the
dialogues of a match, so that a difference between its systems is never one between raters.

Whatever is left to chance follows from the seed through HMAC-SHA256, so that the same input gives
the same draw anywhere, and in whatever order raters and units are given:

1. The units to be multiply rated are those that are so already, then those with the smallest
   ``HMAC(seed, "multiple:UNIT")``.
2. Units are handed out larger ones first, among equals by ``HMAC(seed, "unit:UNIT")``.
3. A unit goes to nobody who is barred from it. Of the others it goes to whom it need not avoid,
   among these to whoever has a part of it already, among these to whoever has the fewest targets,
   among equals by ``HMAC(seed, "rater:UNIT:RATER")``.
4. What was handed out moves on as long as that brings two raters' numbers of targets closer.
"""

from __future__ import annotations

import hmac
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


@dataclass(frozen=True)
class Unit:
    """Targets that go to the same raters."""

    key: str
    targets: tuple[str, ...]
    avoid: frozenset[str] = frozenset()
    """Raters who get them only if nobody else can."""
    barred: frozenset[str] = frozenset()
    """Raters who never get them, even if nobody else can."""

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError(f"unit {self.key} has no targets")


class Assigned(NamedTuple):
    """One target for one rater (a pseudonym)."""

    target: str
    rater: str


class HandedOut(NamedTuple):
    """What is newly assigned, and what nobody is free for."""

    assigned: list[Assigned]
    unplaced: list[str]
    """Sorted; each target as often as it lacks a rater."""


def draw(
    units: Sequence[Unit],
    raters: Sequence[str],
    *,
    each: int,
    doubled: float,
    seed: bytes,
    already: Collection[Assigned] = (),
) -> HandedOut:
    """New assignments, so that every unit has its raters; none if it has them already.

    The share ``doubled`` of the units (0 to 1, rounded up to whole units) gets ``each`` raters,
    the others get one, or as many as are not barred. ``already`` is what counts as rated: open and
    done, also by raters who take no more work, but not what somebody who left has not finished.
    Nobody gets a target twice.

    ValueError if the numbers are out of range, if there are fewer raters than ``each``, or if a
    target lies in two units.
    """
    if each < 1:
        raise ValueError(f"a unit cannot have {each} raters: ask for at least 1")
    if not 0 <= doubled <= 1:
        raise ValueError(f"{doubled} is not a share: give a number from 0 to 1")
    if len(set(raters)) < each:
        raise ValueError(
            f"{each} raters per multiply rated unit, but only {len(set(raters))} can take work: "
            "add raters or ask for fewer per unit"
        )
    covered = Counter(target for target, _ in set(already))
    multiple = _multiply_rated(units, covered, doubled, seed)
    missing = {
        target: (each if unit in multiple else 1) - covered[target]
        for unit in units
        for target in unit.targets
    }
    return _hand_out(units, missing, raters, already, seed)


def replace(
    left: str,
    unfinished: Collection[str],
    raters: Sequence[str],
    already: Collection[Assigned],
    units: Sequence[Unit],
    seed: bytes,
) -> HandedOut:
    """Others for the unfinished targets of the rater who left; what that rater finished stays.

    What is unfinished of one unit goes to one rater, unless others have parts of the unit already.
    ``already`` may still hold the unfinished assignments: they count neither as coverage nor as
    work.

    ValueError if an unfinished target lies in no unit, or a target in two.
    """
    known = {target for unit in units for target in unit.targets}
    if homeless := sorted(set(unfinished) - known):
        raise ValueError(f"target {homeless[0]} lies in no unit: give the units of all targets")
    missing = {target: int(target in unfinished) for target in known}
    return _hand_out(units, missing, set(raters) - {left}, already, seed)


def order(targets: Iterable[str], rater: str, keyed: Callable[[str, str], str]) -> list[str]:
    """The targets in this rater's own shuffled order; adding some leaves the others in theirs."""
    return sorted(targets, key=lambda target: keyed("order", f"{rater}:{target}"))


def _multiply_rated(
    units: Sequence[Unit], covered: Counter[str], doubled: float, seed: bytes
) -> set[Unit]:
    # As a fraction of its decimal digits: in floats, 0.07 of 100 units would round up to 8.
    wanted = math.ceil(Fraction(str(doubled)) * len(units))

    def rank(unit: Unit) -> tuple[bool, bytes]:
        single = max(covered[target] for target in unit.targets) < 2
        return single, _hmac(seed, f"multiple:{unit.key}")

    return set(sorted(units, key=rank)[:wanted])


def _hand_out(
    units: Sequence[Unit],
    missing: Mapping[str, int],
    raters: Collection[str],
    already: Collection[Assigned],
    seed: bytes,
) -> HandedOut:
    """As many new raters per target as are missing, or as many as are free."""
    for target, times in Counter(target for unit in units for target in unit.targets).items():
        if times > 1:
            raise ValueError(f"target {target} lies in {times} units: it can belong to one only")

    def rank(unit: Unit) -> tuple[int, bytes]:
        # The small ones last: they level out what the large ones left uneven.
        size = sum(missing[target] > 0 for target in unit.targets)
        return -size, _hmac(seed, f"unit:{unit.key}")

    handout = _Handout(raters, already, seed)
    unplaced: list[str] = []
    for unit in sorted(units, key=rank):
        left = {target: missing[target] for target in unit.targets}
        while taken := handout.give(unit, [target for target in left if left[target] > 0]):
            for target in taken:
                left[target] -= 1
        unplaced += [target for target, times in left.items() for _ in range(times)]
    handout.even_out()
    return HandedOut(handout.assigned(), sorted(unplaced))


class _Piece(NamedTuple):
    """What one rater newly gets of one unit."""

    unit: Unit
    targets: tuple[str, ...]
    rater: str


class _Handout:
    """One handing out: who has what, and how much."""

    def __init__(self, raters: Collection[str], already: Collection[Assigned], seed: bytes):
        self._raters = set(raters)
        self._before = frozenset(already)
        self._held = set(already)
        self._load = Counter(rater for _, rater in self._held)
        self._pieces: list[_Piece] = []
        self._seed = seed

    def give(self, unit: Unit, targets: Sequence[str]) -> tuple[str, ...]:
        """Gives to one rater what that rater lacks of the targets; () if nobody can take any."""
        lacking = {
            rater: tuple(t for t in targets if Assigned(t, rater) not in self._held)
            for rater in self._raters - unit.barred
        }
        free = [rater for rater in lacking if lacking[rater]]
        if not free:
            return ()
        rater = min(free, key=lambda rater: (self._reserve(unit, rater), *self._turn(unit, rater)))
        piece = _Piece(unit, lacking[rater], rater)
        self._pieces.append(piece)
        self._take(piece)
        return piece.targets

    def even_out(self) -> None:
        """Moves pieces to raters with less work until no move brings two raters closer.

        In turn and by load alone, a unit that must avoid somebody can come too late to be placed
        evenly. Every move makes the sum of the squared loads smaller, so this ends.
        """
        moved = True
        while moved:
            moved = False
            for number, piece in enumerate(self._pieces):
                better = [rater for rater in self._raters if self._may_move(piece, rater)]
                if better:
                    self._drop(piece)
                    rater = min(better, key=lambda rater: self._turn(piece.unit, rater))
                    self._pieces[number] = piece._replace(rater=rater)
                    self._take(self._pieces[number])
                    moved = True

    def assigned(self) -> list[Assigned]:
        return [Assigned(target, piece.rater) for piece in self._pieces for target in piece.targets]

    def _may_move(self, piece: _Piece, rater: str) -> bool:
        return (
            rater not in piece.unit.barred
            and self._load[rater] + len(piece.targets) < self._load[piece.rater]
            and not any(Assigned(target, rater) in self._held for target in piece.targets)
            and self._reserve(piece.unit, rater) <= self._reserve(piece.unit, piece.rater)
        )

    def _reserve(self, unit: Unit, rater: str) -> tuple[bool, bool]:
        """How far in reserve a rater is kept for a unit, whatever the load."""
        has_part = any(Assigned(target, rater) in self._before for target in unit.targets)
        return rater in unit.avoid, not has_part

    def _turn(self, unit: Unit, rater: str) -> tuple[int, bytes]:
        return self._load[rater], _hmac(self._seed, f"rater:{unit.key}:{rater}")

    def _take(self, piece: _Piece) -> None:
        self._held.update(Assigned(target, piece.rater) for target in piece.targets)
        self._load[piece.rater] += len(piece.targets)

    def _drop(self, piece: _Piece) -> None:
        self._held.difference_update(Assigned(target, piece.rater) for target in piece.targets)
        self._load[piece.rater] -= len(piece.targets)


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")
