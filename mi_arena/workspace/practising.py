"""Practice before the first assignment: vignettes whose codes are known, and the bar to pass.

Each vignette counts once, the first time: afterwards its rater knows the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Refused, saving
from mi_arena.miti.editing import Sheet
from mi_arena.miti.practice import Bar, Score, score
from mi_arena.miti.vignettes import Vignette, vignettes
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore
from mi_arena.records.workspace_events import PracticeBarSet, PracticeDone
from mi_arena.workspace.desk import Desks, Job, check_ready
from mi_arena.workspace.ledger import Books, Ledger


@dataclass(frozen=True)
class Exercise:
    """A vignette as its rater may see it; ``score`` only once they coded it."""

    number: int
    """From 1, in the order in which they are to be coded."""
    state: Literal["open", "passed", "failed"]
    score: Score | None


@dataclass(frozen=True)
class Progress:
    """Where a rater stands in practice."""

    exercises: tuple[Exercise, ...]
    passed: int
    needed: int

    @property
    def trained(self) -> bool:
        return self.passed >= self.needed

    @property
    def next(self) -> int | None:
        """The number of the first exercise that is not done."""
        return next((e.number for e in self.exercises if e.state == "open"), None)


def progress(books: Books, rater: str) -> Progress:
    """A rater's practice, by the bar as it stands now."""
    done, bar = books.practice.get(rater, {}), _bar(books)
    exercises = []
    for number, vignette in enumerate(vignettes(), 1):
        filled = done.get(vignette.id)
        told = score(filled, vignette.known, bar) if filled is not None else None
        state: Literal["open", "passed", "failed"] = (
            "open" if told is None else "passed" if told.passed else "failed"
        )
        exercises.append(Exercise(number, state, told))
    passed = sum(e.state == "passed" for e in exercises)
    return Progress(tuple(exercises), passed, books.bar.vignettes)


def is_trained(books: Books, rater: str) -> bool:
    """Whether a rater has passed as many vignettes as the bar asks for."""
    # Scoring is the costly part: who has not coded enough of them can't have passed.
    if len(books.practice.get(rater, {})) < books.bar.vignettes:
        return False
    return progress(books, rater).trained


def _bar(books: Books) -> Bar:
    return Bar(share=books.bar.share, globals_within=books.bar.globals_within)


class Practice:
    """Practice as its raters and admins use it."""

    def __init__(self, store: EventStore, ledger: Ledger, desks: Desks):
        self._store, self._ledger, self._desks = store, ledger, desks

    def progress(self, who: Identity) -> Progress:
        return progress(self._ledger.now(), who.rater)

    def job(self, who: Identity, number: int) -> Job:
        """The exercise, still to be coded. Raises ``Refused`` when there is none, or it is done."""
        vignette = _numbered(number)
        if vignette.id in self._ledger.now().practice.get(who.rater, {}):
            raise Refused("practised_already")
        return Job(
            kind="practice",
            owner=who.rater,
            rater=who.rater,
            role=who.role,
            key=f"practice:{number}",
            coding=f"{who.rater}:practice:{number}",
            messages=vignette.messages,
            source={},
            begin=Sheet.uncoded(
                [[one.text for one in v.utterances] for v in vignette.known.volleys or ()]
            ),
            can_cut=False,
            can_choose_form=False,
        )

    def submit(self, who: Identity, number: int, version: object, *, sure: bool) -> None:
        """Hand the exercise in; it can't be done again. Raises ``Refused``."""
        desk = self._desks.open(self.job(who, number))
        check_ready(desk, version, sure=sure)
        done = PracticeDone(vignette=_numbered(number).id, filled=desk.sheet.coding)
        self._append(Event.of(done, role=who.role, rater=who.rater))
        self._desks.forget(desk.job)

    def looked_at(self, who: Identity, number: int) -> tuple[Vignette, Score]:
        """The exercise with its known codes, once it is done. Raises ``Refused`` before."""
        told = self.progress(who).exercises[number - 1 : number] if number > 0 else ()
        if not told or told[0].score is None:
            raise Refused("no_work")
        return _numbered(number), told[0].score

    def bar(self) -> PracticeBarSet:
        """What passing takes now."""
        return self._ledger.now().bar

    def set_bar(self, share: float, globals_within: int, needed: int) -> None:
        """Say what passing takes from now on, also for those who practised already."""
        try:
            bar = PracticeBarSet(share=share, globals_within=globals_within, vignettes=needed)
        except ValueError:
            raise Refused("bad_number") from None
        self._append(Event.of(bar, role="admin"))

    def _append(self, event: Event) -> None:
        with saving():
            self._store.append(event)


def _numbered(number: int) -> Vignette:
    known = vignettes()
    if not 1 <= number <= len(known):
        raise Refused("no_work")
    return known[number - 1]
