"""Who rates what: drawn and replaced by an admin, listed for its rater in their own order."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mi_arena.access.identity import Identities, Identity
from mi_arena.access.keyed import Keyed
from mi_arena.access.members import Member
from mi_arena.battles.refusal import Refused, saving
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore, Transaction
from mi_arena.records.workspace_events import RaterLeft, WorkAssigned, WorkReleased
from mi_arena.study.assignment import Assigned, Unit, draw, order, replace
from mi_arena.workspace.desk import Job
from mi_arena.workspace.ledger import Assignment, Books, Ledger, Task
from mi_arena.workspace.material import MaterialStore
from mi_arena.workspace.practising import is_trained
from mi_arena.workspace.sheets import Sheets
from mi_arena.workspace.suggestions import suggestion_for

TASKS: tuple[Task, Task] = ("coding", "match")


class Item(NamedTuple):
    """One piece of work as its rater may know it."""

    assignment: str
    task: Task
    state: Literal["new", "begun", "done"]


@dataclass(frozen=True)
class Standing:
    """How far one rater is; told to admins."""

    member: Member
    trained: bool
    done: int
    left: int
    """Assignments that are still to be done."""
    left_study: bool
    """Whether they dropped out: they take no more work."""


class Drawn(NamedTuple):
    """What a draw or a replacement came to."""

    assigned: int
    unplaced: int
    """Places for which there is nobody: all others have the target already or must not get it."""


class Assignments:
    """Any number of threads may call it."""

    def __init__(
        self,
        store: EventStore,
        ledger: Ledger,
        material: MaterialStore,
        sheets: Sheets,
        identities: Identities,
    ):
        self._store, self._ledger, self._material = store, ledger, material
        self._sheets, self._identities = sheets, identities
        self._keyed: Keyed = identities.keyed

    # ---- for a rater

    def items(self, who: Identity) -> list[Item]:
        """A rater's work, codings first, each in their own shuffled order; none for who left."""
        books = self._ledger.now()
        if who.rater in books.left:
            return []
        begun = self._sheets.begun(who.rater)
        mine = {a.target + a.task: a for a in books.assignments.values() if a.rater == who.rater}
        ordered = [mine[t] for t in order(mine, who.rater, self._keyed)]
        return [
            Item(
                work.id,
                work.task,
                "done" if books.done(work) else "begun" if work.id in begun else "new",
            )
            for task in TASKS
            for work in ordered
            if work.task == task
        ]

    def job(self, who: Identity, assignment: str) -> Job:
        """A coding to be done or corrected. Raises ``Refused``: not theirs, gone, no practice."""
        books = self._ledger.now()
        work = self.work(books, who, assignment, "coding")
        return Job(
            kind="assigned",
            owner=who.rater,
            rater=who.rater,
            role=who.role,
            key=work.id,
            coding=work.id,
            messages=self._material.messages(books.dialogues[work.target]),
            source={"source": "assigned", "dialogue": work.target, "assignment": work.id},
            epoch=books.dialogues[work.target].epoch,
            suggestion=suggestion_for(books, work.target),
        )

    def work(self, books: Books, who: Identity, assignment: str, task: Task) -> Assignment:
        """The rater's own assignment. Raises ``Refused``."""
        work = books.assignments.get(assignment)
        if work is None or work.rater != who.rater or work.task != task:
            raise Refused("no_work")
        if who.rater in books.left:
            raise Refused("no_work")
        if not is_trained(books, who.rater):
            raise Refused("not_trained")
        return work

    # ---- for an admin

    def draw(self, task: Task, each: int, doubled: float) -> Drawn:
        """Hand out what has too few raters. Raises ``Refused`` for numbers that can't be."""
        with self._handing_out() as transaction:
            return self._draw(transaction, task, each, doubled)

    def drop_out(self, member: str) -> Drawn:
        """Give a member's unfinished work to others, for good; what they finished stays.

        Their drafts stay too, unused. Raises ``Refused``.
        """
        with self._handing_out() as transaction:
            return self._drop_out(transaction, member)

    def standings(self) -> list[Standing]:
        """How far everyone is who was ever invited as an expert, or has work."""
        books = self._ledger.now()
        standings = []
        for member in self._members():
            rater = self._rater(member)
            works = [a for a in books.assignments.values() if a.rater == rater]
            done = sum(books.done(a) for a in works)
            if works or member.role == "expert":
                trained, left = is_trained(books, rater), rater in books.left
                standings.append(Standing(member, trained, done, len(works) - done, left))
        return standings

    @contextmanager
    def _handing_out(self) -> Iterator[Transaction]:
        """Nobody else writes meanwhile: two at once would both hand out what both found missing,
        and a match could get a third dialogue while it is handed out. Raises ``Refused``.
        """
        self._ledger.now()  # the long reading, before others have to wait
        with saving(), self._store.transaction() as transaction:
            yield transaction

    def _draw(self, transaction: Transaction, task: Task, each: int, doubled: float) -> Drawn:
        books = self._ledger.now()
        raters = self._takers(books)
        if each < 1 or not 0 <= doubled <= 1:
            raise Refused("bad_number")
        if len(raters) < each:
            raise Refused("too_few_raters", each=each, n=len(raters))
        found = draw(
            _units(books, task),
            raters,
            each=each,
            doubled=doubled,
            seed=self._seed(task),
            already=_standing(books, task),
        )
        transaction.append_all(_assign(one, task) for one in found.assigned)
        return Drawn(len(found.assigned), len(found.unplaced))

    def _drop_out(self, transaction: Transaction, member: str) -> Drawn:
        books = self._ledger.now()
        leaving = next((m for m in self._members() if m.member == member), None)
        if leaving is None:
            raise Refused("no_work")
        left = self._rater(leaving)
        others = [rater for rater in self._takers(books) if rater != left]
        events: list[Event] = []
        if left not in books.left:
            events.append(Event.of(RaterLeft(), role="admin", rater=left))
        unplaced = 0
        for task in TASKS:
            unfinished = [
                a
                for a in books.assignments.values()
                if a.rater == left and a.task == task and not books.done(a)
            ]
            units = _units(books, task)
            targets = {target for unit in units for target in unit.targets}
            targets &= {a.target for a in unfinished}
            found = replace(left, targets, others, _standing(books, task), units, self._seed(task))
            events += [
                Event.of(WorkReleased(assignment=a.id), role="admin", rater=left)
                for a in unfinished
            ]
            events += [_assign(one, task) for one in found.assigned]
            unplaced += len(found.unplaced)
        transaction.append_all(events)
        assigned = sum(event.kind == "work_assigned" for event in events)
        return Drawn(assigned, unplaced)

    def _members(self) -> list[Member]:
        return self._identities.members.all() if self._identities.members else []

    def _takers(self, books: Books) -> list[str]:
        """Whoever can be given work."""
        experts = [m for m in self._members() if m.role == "expert" and not m.revoked]
        return [rater for one in experts if (rater := self._rater(one)) not in books.left]

    def _rater(self, member: Member) -> str:
        return self._identities.of_member(member).rater

    def _seed(self, task: Task) -> bytes:
        return bytes.fromhex(self._keyed("assignment", task))


def _units(books: Books, task: Task) -> list[Unit]:
    """Dialogues of one match together; coded by those who do not judge it, and the other way round.

    Whoever held a battle never gets it: they may have been told its arms.
    """
    if task == "coding":
        judges = _raters(_standing(books, "match"))
        alone = [(d, (d,)) for d, material in books.dialogues.items() if material.match is None]
        return [
            Unit(key, dialogues, judges.get(key, frozenset()), _hosts(books, dialogues))
            for key, dialogues in [*books.matches.items(), *alone]
        ]
    coders = _raters(_standing(books, "coding"))
    return [
        Unit(
            match,
            (match,),
            frozenset[str]().union(*(coders.get(d, frozenset()) for d in dialogues)),
            _hosts(books, dialogues),
        )
        for match in books.matches
        if (dialogues := books.opponents(match)) is not None
    ]


def _hosts(books: Books, dialogues: Iterable[str]) -> frozenset[str]:
    return frozenset(rater for d in dialogues if (rater := books.dialogues[d].rater) is not None)


def _raters(standing: Iterable[Assigned]) -> dict[str, frozenset[str]]:
    """The raters of each target."""
    found: dict[str, frozenset[str]] = {}
    for target, rater in standing:
        found[target] = found.get(target, frozenset()) | {rater}
    return found


def _standing(books: Books, task: Task) -> list[Assigned]:
    """What is assigned, and what was handed in: also of work that was released meanwhile."""
    assigned = [Assigned(a.target, a.rater) for a in books.assignments.values() if a.task == task]
    if task == "match":
        done = [Assigned(judged.match, rater) for judged, rater in books.verdicts.values()]
    else:
        done = [
            Assigned(one.told.dialogue, one.rater)
            for one in books.latest()
            if one.told.source == "assigned"
        ]
    return assigned + done


def _assign(one: Assigned, task: Task) -> Event:
    told = WorkAssigned(assignment=secrets.token_hex(8), task=task, target=one.target)
    return Event.of(told, role="admin", rater=one.rater)
