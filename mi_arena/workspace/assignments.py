"""Who rates what: drawn and replaced by an admin, listed for its rater in their own order."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mi_arena.access.identity import Identities, Identity
from mi_arena.access.keyed import Keyed
from mi_arena.access.members import Member
from mi_arena.battles.refusal import Refused
from mi_arena.records.events import Event, WorkAssigned, WorkReleased
from mi_arena.records.store import EventStore, NotStored
from mi_arena.study.assignment import Assigned, Unit, draw, order, replace
from mi_arena.workspace.desk import Job
from mi_arena.workspace.ledger import Assignment, Books, Ledger, Task
from mi_arena.workspace.material import MaterialStore
from mi_arena.workspace.practising import is_trained
from mi_arena.workspace.sheets import Sheets

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


class Drawn(NamedTuple):
    """What a draw or a replacement came to."""

    assigned: int
    unplaced: int


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
        # Two at once would both hand out what they both found missing.
        self._handing_out = threading.Lock()

    # ---- for a rater

    def items(self, who: Identity) -> list[Item]:
        """A rater's work, codings first, each in their own shuffled order."""
        books = self._ledger.now()
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
        )

    def work(self, books: Books, who: Identity, assignment: str, task: Task) -> Assignment:
        """The rater's own assignment. Raises ``Refused``."""
        work = books.assignments.get(assignment)
        if work is None or work.rater != who.rater or work.task != task:
            raise Refused("no_work")
        if not is_trained(books, who.rater):
            raise Refused("not_trained")
        return work

    # ---- for an admin

    def draw(self, task: Task, each: int, doubled: float) -> Drawn:
        """Hand out what has too few raters. Raises ``Refused`` for numbers that can't be."""
        with self._handing_out:
            return self._draw(task, each, doubled)

    def drop_out(self, member: str) -> Drawn:
        """Give a member's unfinished work to others; what they finished stays. Raises ``Refused``.

        Their drafts stay too, unused.
        """
        with self._handing_out:
            return self._drop_out(member)

    def standings(self) -> list[Standing]:
        """How far everyone is who was ever invited as an expert, or has work."""
        books = self._ledger.now()
        standings = []
        for member in self._members():
            rater = self._rater(member)
            works = [a for a in books.assignments.values() if a.rater == rater]
            done = sum(books.done(a) for a in works)
            if works or member.role == "expert":
                standings.append(
                    Standing(member, is_trained(books, rater), done, len(works) - done)
                )
        return standings

    def _draw(self, task: Task, each: int, doubled: float) -> Drawn:
        books, raters = self._ledger.now(), [self._rater(member) for member in self._experts()]
        if each < 1 or not 0 <= doubled <= 1:
            raise Refused("bad_number")
        if len(raters) < each:
            raise Refused("too_few_raters", each=each, n=len(raters))
        new = draw(
            _units(books, task),
            raters,
            each=each,
            doubled=doubled,
            seed=self._seed(task),
            already=_standing(books, task),
        )
        self._append([_assign(one, task) for one in new])
        return Drawn(len(new), 0)

    def _drop_out(self, member: str) -> Drawn:
        books = self._ledger.now()
        leaving = next((m for m in self._members() if m.member == member), None)
        if leaving is None:
            raise Refused("no_work")
        left = self._rater(leaving)
        others = [self._rater(m) for m in self._experts() if m.member != member]
        events: list[Event] = []
        unplaced = 0
        for task in TASKS:
            open_ = {
                a.target: a
                for a in books.assignments.values()
                if a.rater == left and a.task == task and not books.done(a)
            }
            found = replace(
                left, set(open_), others, _standing(books, task), _units(books, task),
                self._seed(task),
            )  # fmt: skip
            events += [
                Event.of(WorkReleased(assignment=a.id), role="admin", rater=left)
                for a in open_.values()
            ]
            events += [_assign(one, task) for one in found.assigned]
            unplaced += len(found.unplaced)
        self._append(events)
        assigned = sum(event.kind == "work_assigned" for event in events)
        return Drawn(assigned, unplaced)

    def _members(self) -> list[Member]:
        return self._identities.members.all() if self._identities.members else []

    def _experts(self) -> list[Member]:
        return [m for m in self._members() if m.role == "expert" and not m.revoked]

    def _rater(self, member: Member) -> str:
        return self._identities.of_member(member).rater

    def _seed(self, task: Task) -> bytes:
        return bytes.fromhex(self._keyed("assignment", task))

    def _append(self, events: Sequence[Event]) -> None:
        try:
            self._store.append_all(events)
        except NotStored:
            raise Refused("not_saved") from None


def _units(books: Books, task: Task) -> list[Unit]:
    """Dialogues of one match together; a match to be judged by those who have not coded it.

    Whoever held a battle gets it only if nobody else can: it is not new to them.
    """
    if task == "coding":
        alone = [(d, (d,)) for d, material in books.dialogues.items() if material.match is None]
        return [
            Unit(key, dialogues, _hosts(books, dialogues))
            for key, dialogues in [*books.matches.items(), *alone]
        ]
    coders: dict[str, set[str]] = {}
    for work in books.assignments.values():
        if work.task == "coding":
            coders.setdefault(work.target, set()).add(work.rater)
    return [
        Unit(
            match,
            (match,),
            _hosts(books, dialogues).union(*(coders.get(d, set()) for d in dialogues)),
        )
        for match, dialogues in books.matches.items()
        if len(dialogues) == 2
    ]


def _hosts(books: Books, dialogues: Iterable[str]) -> frozenset[str]:
    return frozenset(rater for d in dialogues if (rater := books.dialogues[d].rater) is not None)


def _standing(books: Books, task: Task) -> list[Assigned]:
    return [Assigned(a.target, a.rater) for a in books.assignments.values() if a.task == task]


def _assign(one: Assigned, task: Task) -> Event:
    told = WorkAssigned(assignment=secrets.token_hex(8), task=task, target=one.target)
    return Event.of(told, role="admin", rater=one.rater)
