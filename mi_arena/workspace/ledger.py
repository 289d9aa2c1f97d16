"""What the workspace's events add up to, kept up to date as they come.

``Books`` is what is known at one moment; it holds identities and never leaves the server whole.
What was withdrawn, or showed a sign of danger, is not in it any more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from mi_arena.dialogue import Message
from mi_arena.miti.coding import Coding
from mi_arena.records.battle_events import BattleFlagged, BattleStarted, Side, Withdrawn
from mi_arena.records.events import Event
from mi_arena.records.payloads import Kind, Role
from mi_arena.records.review_events import ReviewGiven, ReviewItem, ReviewSetClosed, ReviewSetOpened
from mi_arena.records.store import EventStore
from mi_arena.records.suggestion_events import CodingSuggested, SuggestionsAllowed
from mi_arena.records.workspace_events import (
    BattleDrawn,
    CodingSubmitted,
    DialogueImported,
    ImportTakenBack,
    MatchJudged,
    PracticeBarSet,
    PracticeDone,
    RaterLeft,
    WorkAssigned,
    WorkReleased,
)

Task = Literal["coding", "match"]

_KINDS: tuple[Kind, ...] = (
    "battle_drawn",
    "dialogue_imported",
    "import_taken_back",
    "work_assigned",
    "work_released",
    "rater_left",
    "coding_submitted",
    "match_judged",
    "practice_bar_set",
    "practice_done",
    "suggestions_allowed",
    "coding_suggested",
    "review_set_opened",
    "review_given",
    "review_set_closed",
    "withdrawn",
    "battle_flagged",
)


@dataclass(frozen=True)
class Material:
    """A dialogue that may be rated, with all that raters must not see."""

    dialogue: str
    system: str
    pair: str
    epoch: str | None
    """``None`` for what was imported."""
    match: str | None
    battle: str | None = None
    side: Side | None = None
    rater: str | None = None
    """Who held the battle: they may have been told its arms."""
    messages: tuple[Message, ...] = ()
    """Of an imported dialogue; what was said in a battle stays in the battle's events."""


EARLIER = "earlier"
"""The batch of what was imported before imports had ids."""


@dataclass(frozen=True)
class Import:
    """The dialogues that came with one file."""

    batch: str
    at: datetime
    file: str | None
    dialogues: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """One piece of work of one rater."""

    id: str
    task: Task
    target: str
    rater: str


@dataclass(frozen=True)
class Handed:
    """A coding as it was handed in."""

    told: CodingSubmitted
    rater: str
    role: Role
    at: datetime


@dataclass(frozen=True)
class ReviewSet:
    """Dialogues of a run that were sent to the experts."""

    told: ReviewSetOpened
    at: datetime
    items: dict[str, ReviewItem]
    """By id, in the order in which they were sent."""
    closed: bool = False


@dataclass(frozen=True)
class Reviewed:
    """An answer to an item of a review set."""

    told: ReviewGiven
    rater: str
    at: datetime


@dataclass(frozen=True)
class Books:
    """Everything at one moment, by id. Read only: the next moment is another object."""

    dialogues: dict[str, Material] = field(default_factory=dict)
    matches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The dialogues of each match."""
    imports: dict[str, Import] = field(default_factory=dict)
    """By batch; those that were taken back are gone."""
    taken_back: frozenset[str] = frozenset()
    """Dialogues of imports that were taken back: their ids are not used again."""
    assignments: dict[str, Assignment] = field(default_factory=dict)
    """Those that stand: released ones are gone."""
    codings: dict[str, tuple[Handed, ...]] = field(default_factory=dict)
    """All revisions, the latest last. An assigned coding has the assignment's id."""
    verdicts: dict[str, tuple[MatchJudged, str]] = field(default_factory=dict)
    """Verdict and rater by assignment."""
    left: frozenset[str] = frozenset()
    """Raters who take no more work."""
    practice: dict[str, dict[str, Coding]] = field(default_factory=dict)
    """By rater, the first coding of each vignette: a second one would be made knowing the key."""
    suggestions: dict[str, CodingSuggested] = field(default_factory=dict)
    """The latest of each dialogue; whether it may be shown, `suggestions.suggestion_for` says."""
    suggestions_allowed: frozenset[str] = frozenset()
    """The imports for which an admin allows them."""
    review_sets: dict[str, ReviewSet] = field(default_factory=dict)
    reviews: dict[str, dict[str, tuple[Reviewed, ...]]] = field(default_factory=dict)
    """By item and rater, all revisions, the latest last."""
    bar: PracticeBarSet = field(
        default_factory=lambda: PracticeBarSet(share=0.7, globals_within=1, vignettes=2)
    )

    def done(self, assignment: Assignment) -> bool:
        return assignment.id in self.codings or assignment.id in self.verdicts

    def latest(self) -> list[Handed]:
        """Of each source, what a rater last said of a dialogue, in the order of first handing in.

        A rater can have two codings of a dialogue: one that was handed in as it was given to
        somebody else, and one of a later assignment.
        """
        found: dict[tuple[str, str, str], Handed] = {}
        for revisions in self.codings.values():
            last = revisions[-1]
            key = last.told.source, last.told.dialogue, last.rater
            if key not in found or found[key].at <= last.at:
                found[key] = last
        return list(found.values())

    def handed_of(self, batch: Import) -> tuple[int, int]:
        """How many codings and verdicts there are of what an import brought."""
        codings = sum(c[-1].told.dialogue in batch.dialogues for c in self.codings.values())
        verdicts = sum(
            any(self.dialogues[d].match == judged.match for d in batch.dialogues)
            for judged, _ in self.verdicts.values()
        )
        return codings, verdicts

    def opponents(self, match: str) -> tuple[str, str] | None:
        """The two dialogues of a match; ``None`` for one that can't be judged."""
        dialogues = self.matches.get(match, ())
        return (dialogues[0], dialogues[1]) if len(dialogues) == 2 else None


class Ledger:
    """The books over an event store. Any number of threads may ask; other processes may write."""

    def __init__(self, store: EventStore):
        self.store = store
        self._lock = threading.Lock()
        self._seen = 0
        self._all = Books()
        self._gone: frozenset[str] = frozenset()
        self._books = Books()

    def now(self) -> Books:
        """The books as the store has them now. Raises ``Unreadable``."""
        with self._lock:
            new = list(self.store.numbered(_KINDS, after_seq=self._seen))
            if new:
                grown = _Growing(self.store, self._all, self._gone)
                for _, event in new:
                    grown.add(event)
                self._all, self._gone = grown.books, frozenset(grown.gone)
                self._books = _without(self._all, self._gone)
                self._seen = new[-1][0]
            return self._books


def material_of_battle(started: Event, side: Side, dialogue: str, match: str) -> Material:
    """One side of a battle as material, from the event that began it."""
    told = started.payload
    assert isinstance(told, BattleStarted)
    return Material(
        dialogue=dialogue,
        system="tuned" if side == told.tuned_side else "base",
        pair=told.pair,
        epoch=started.epoch,
        match=match,
        battle=told.battle,
        side=side,
        rater=started.rater,
    )


class _Growing:
    """Books while events are added to them; those they were made from stay as they are."""

    def __init__(self, store: EventStore, books: Books, gone: frozenset[str]):
        self._store = store
        self.gone = set(gone)
        self.books = replace(
            books,
            dialogues=dict(books.dialogues),
            matches=dict(books.matches),
            imports=dict(books.imports),
            assignments=dict(books.assignments),
            codings=dict(books.codings),
            verdicts=dict(books.verdicts),
            practice=dict(books.practice),
            suggestions=dict(books.suggestions),
            review_sets=dict(books.review_sets),
            reviews=dict(books.reviews),
        )

    def add(self, event: Event) -> None:
        books, payload, rater = self.books, event.payload, event.rater or ""
        match payload:
            case BattleDrawn():
                self._draw(payload)
            case DialogueImported():
                self._material(
                    Material(
                        dialogue=payload.dialogue,
                        system=payload.system,
                        pair=payload.pair,
                        epoch=None,
                        match=payload.match,
                        messages=tuple(payload.messages),
                    )
                )
                self._import(payload, event.created_at)
            case ImportTakenBack():
                self._take_back(payload)
            case WorkAssigned():
                books.assignments[payload.assignment] = Assignment(
                    payload.assignment, payload.task, payload.target, rater
                )
            case WorkReleased():
                books.assignments.pop(payload.assignment, None)
            case RaterLeft():
                self.books = replace(books, left=books.left | {rater})
            case CodingSubmitted():
                handed = Handed(payload, rater, event.role, event.created_at)
                before = books.codings.get(payload.coding, ())
                books.codings[payload.coding] = (*before, handed)
            case MatchJudged():
                books.verdicts[payload.assignment] = (payload, rater)
            case PracticeDone() | PracticeBarSet():
                self._practise(payload, rater)
            case SuggestionsAllowed() | CodingSuggested():
                self._suggest(payload)
            case ReviewSetOpened() | ReviewGiven() | ReviewSetClosed():
                self._review(payload, rater, event.created_at)
            case Withdrawn() | BattleFlagged():
                self.gone.add(payload.battle)

    def _practise(self, payload: PracticeDone | PracticeBarSet, rater: str) -> None:
        if isinstance(payload, PracticeBarSet):
            self.books = replace(self.books, bar=payload)
            return
        mine = self.books.practice.get(rater, {})
        if payload.vignette not in mine:
            self.books.practice[rater] = mine | {payload.vignette: payload.filled}

    def _suggest(self, told: SuggestionsAllowed | CodingSuggested) -> None:
        if isinstance(told, CodingSuggested):
            self.books.suggestions[told.dialogue] = told
            return
        before = self.books.suggestions_allowed - {told.batch}
        after = before | {told.batch} if told.allowed else before
        self.books = replace(self.books, suggestions_allowed=after)

    def _review(
        self, payload: ReviewSetOpened | ReviewGiven | ReviewSetClosed, rater: str, at: datetime
    ) -> None:
        sets, reviews = self.books.review_sets, self.books.reviews
        match payload:
            case ReviewSetOpened():
                items = {item.item: item for item in payload.items}
                sets[payload.set] = ReviewSet(payload, at, items)
            case ReviewGiven():
                theirs = reviews.get(payload.item, {})
                revisions = (*theirs.get(rater, ()), Reviewed(payload, rater, at))
                reviews[payload.item] = theirs | {rater: revisions}
            case ReviewSetClosed():
                sets[payload.set] = replace(sets[payload.set], closed=True)

    def _draw(self, drawn: BattleDrawn) -> None:
        started = next(self._store.events("battle_started", battle=drawn.battle), None)
        if started is None:  # it was lost: the battle is gone, with all that hangs on it
            self.gone.add(drawn.battle)
        for side, dialogue in sorted(drawn.dialogues.items()):
            self._material(
                Material(dialogue, "", "", None, drawn.match, drawn.battle)
                if started is None
                else material_of_battle(started, side, dialogue, drawn.match)
            )

    def _import(self, imported: DialogueImported, at: datetime) -> None:
        batch, imports = imported.batch or EARLIER, self.books.imports
        first = imports.get(batch) or Import(batch, at, imported.file, ())
        imports[batch] = replace(first, dialogues=(*first.dialogues, imported.dialogue))

    def _take_back(self, taken: ImportTakenBack) -> None:
        books = self.books
        books.imports.pop(taken.batch, None)
        for dialogue in taken.dialogues:
            material = books.dialogues.pop(dialogue, None)
            if material is not None and material.match is not None:
                others = tuple(d for d in books.matches[material.match] if d != dialogue)
                books.matches[material.match] = others
                if not others:
                    del books.matches[material.match]
        self.books = replace(books, taken_back=books.taken_back | set(taken.dialogues))

    def _material(self, material: Material) -> None:
        books = self.books
        books.dialogues[material.dialogue] = material
        if material.match is not None:
            before = books.matches.get(material.match, ())
            books.matches[material.match] = (*before, material.dialogue)


def _without(books: Books, gone: frozenset[str]) -> Books:
    """The books without the battles that no longer count, and all that hangs on them."""
    lost = {d for d, material in books.dialogues.items() if material.battle in gone}
    # Somebody may have handed one in at the very moment in which it was taken back.
    lost |= books.taken_back
    lost |= {
        handed[-1].told.dialogue
        for handed in books.codings.values()
        if handed[-1].told.battle in gone
    }
    matches = {
        match: tuple(d for d in dialogues if d not in lost)
        for match, dialogues in books.matches.items()
    }
    lost_matches = {match for match, dialogues in matches.items() if not dialogues}
    return replace(
        books,
        dialogues={d: m for d, m in books.dialogues.items() if d not in lost},
        matches={m: d for m, d in matches.items() if m not in lost_matches},
        assignments={
            a.id: a
            for a in books.assignments.values()
            if a.target not in lost and a.target not in lost_matches
        },
        codings={
            c: revisions
            for c, revisions in books.codings.items()
            if revisions[-1].told.dialogue not in lost
        },
        verdicts={
            a: v
            for a, v in books.verdicts.items()
            if v[0].match not in lost_matches and v[0].a_dialogue not in lost
        },
    )
