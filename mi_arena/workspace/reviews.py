"""Review sets: dialogues of a run that experts rate, or whose rewriting they accept or not.

Nobody is assigned an item in advance: whoever comes gets one that has the fewest answers, so one
who drops out leaves no gap. Raters are told what was said, and neither where it is from nor what
others answered.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mi_arena.access.identity import Identity
from mi_arena.access.keyed import Keyed
from mi_arena.battles.refusal import Refused, saving
from mi_arena.dialogue import Message
from mi_arena.records.drafts import Draft, Drafts, Overtaken
from mi_arena.records.events import Event
from mi_arena.records.review_events import ReviewItem, ReviewSetClosed, ReviewSetOpened, ReviewTask
from mi_arena.records.store import EventStore, NotStored
from mi_arena.safety.limits import RateLimiter
from mi_arena.study.assignment import order
from mi_arena.workspace.field_drafts import fields_of
from mi_arena.workspace.ledger import Books, Ledger, ReviewSet
from mi_arena.workspace.review_forms import (
    LATER,
    answer,
    filled_by,
    kept,
    same_answer,
)
from mi_arena.workspace.review_material import Offered

ID_LENGTH = 16


@dataclass(frozen=True)
class SetForRater:
    """A review set as one rater may know it."""

    set: str
    task: ReviewTask
    left: int
    """Items that still need an answer and have none of theirs."""
    given: tuple[str, ...]
    """Items that they answered, in that order."""


@dataclass(frozen=True)
class ReviewView:
    """One item, and the form as far as its rater has filled it."""

    standing: SetForRater
    item: ReviewItem
    """Its names of the run are the page's not to show."""
    filled: Mapping[str, str]
    revision: int
    """How often they answered it."""
    version: int
    """Of the draft; whoever saves the next one must know it."""

    @property
    def rewritten(self) -> tuple[Message, ...]:
        return tuple(self.item.rewriting.messages) if self.item.rewriting else ()


@dataclass(frozen=True)
class SetForAdmin:
    """How far a review set is."""

    set: ReviewSet
    wanted: int
    answers: int
    """Of those wanted; more than that many experts for one item don't count here."""
    raters: int


class Reviews:
    """Any number of threads may call it."""

    def __init__(self, store: EventStore, ledger: Ledger, drafts: Drafts, keyed: Keyed):
        self._store, self._ledger, self._drafts, self._keyed = store, ledger, drafts, keyed
        self._answers = RateLimiter(60, 1_200, 60)
        """Far more than anybody reads: what a hammering visitor could fill the disk with."""

    # ---- for a rater

    def sets(self, who: Identity) -> list[SetForRater]:
        """The open sets, the oldest first; none for who left the study."""
        books = self._ledger.now()
        if who.rater in books.left:
            return []
        return [_standing(books, one, who) for one in books.review_sets.values() if not one.closed]

    def next(self, who: Identity, set_: str) -> str | None:
        """The item this rater is to look at now, ``None`` when nothing is left for them.

        One that they have begun comes first, one that they put off last; else those with the
        fewest answers, in an order of their own. Raises ``Refused``.
        """
        books = self._ledger.now()
        found = self._set(books, who, set_)
        counts = {i: len(books.reviews.get(i, {})) for i in found.items}
        theirs = _answered(books, found, who)
        begun, later = self._drafted(who, found)
        open_ = [i for i, n in counts.items() if i not in theirs and (n < found.told.each)]
        # What was begun may be finished, though others were faster.
        open_ += [i for i in begun if i not in theirs and i not in open_]
        return min(
            order(open_, who.rater, self._keyed),
            key=lambda i: (i not in begun, i in later, counts[i]),
            default=None,
        )

    def open(self, who: Identity, set_: str, item: str) -> ReviewView:
        """An item with the form as it was left, or as it was answered. Raises ``Refused``."""
        books = self._ledger.now()
        found, chosen = self._item(books, who, set_, item)
        given = books.reviews.get(item, {}).get(who.rater, ())
        draft = self._drafts.get(who.rater, _key(item))
        filled: Mapping[str, str] = {}
        if draft is not None:
            filled = {n: v for n, v in fields_of(draft).items() if n != LATER}
        elif given:
            filled = filled_by(chosen, given[-1].told)
        return ReviewView(
            _standing(books, found, who),
            chosen,
            filled,
            len(given),
            draft.version if draft else 0,
        )

    def standing(self, who: Identity, set_: str) -> SetForRater:
        """One open set. Raises ``Refused``."""
        books = self._ledger.now()
        return _standing(books, self._set(books, who, set_), who)

    def keep(
        self,
        who: Identity,
        set_: str,
        item: str,
        version: object,
        sent: Mapping[str, object],
        *,
        later: bool = False,
    ) -> int:
        """Save the form as far as it is filled; the draft's version from now on.

        With ``later`` the item is put off: others come first. Raises ``Refused``: ``overtaken``
        when the page did not show the latest one, ``not_saved``.
        """
        _, chosen = self._item(self._ledger.now(), who, set_, item)
        filled = kept(chosen, sent) | ({LATER: "1"} if later else {})
        body = json.dumps(filled, ensure_ascii=False)
        draft = self._drafts.get(who.rater, _key(item))
        if draft is not None and draft.body == body:
            return draft.version  # sent again, as the answer was lost on its way
        stands = draft.version if draft else 0
        if version != stands:
            raise Refused("overtaken")
        new = Draft(stands + 1, body)
        with saving():
            try:
                self._drafts.put(
                    who.rater, _key(item), new, replaces=draft.version if draft else None
                )
            except Overtaken:
                raise Refused("overtaken") from None
        return new.version

    def give(
        self, who: Identity, set_: str, item: str, known: int, sent: Mapping[str, object]
    ) -> None:
        """Store an answer; ``known`` is how many of theirs to this item the page had seen.

        The same answer again changes nothing: it was a double click, or the reply to the first
        was lost. Raises ``Refused``: ``overtaken`` where another device corrected it meanwhile,
        what is missing in the form, ``review_closed``, ``not_saved``.
        """
        _, chosen = self._item(self._ledger.now(), who, set_, item)
        if known < 0:
            raise Refused("overtaken")
        given = answer(set_, chosen, known + 1, kept(chosen, sent))
        with saving(), self._store.transaction() as transaction:
            books = self._ledger.now()
            self._set(books, who, set_)
            before = books.reviews.get(item, {}).get(who.rater, ())
            if not (before and same_answer(before[-1].told, given)):
                if len(before) != known:
                    raise Refused("overtaken")
                if (wait := self._answers.allow(who.rater)) > 0:
                    raise Refused("too_fast", seconds=round(wait + 0.5))
                transaction.append(Event.of(given, role=who.role, rater=who.rater))
        # The answer is stored: a draft that stays behind would say the same.
        with suppress(NotStored):
            self._drafts.drop(who.rater, _key(item))

    # ---- for an admin

    def of_run(self, run: str) -> list[SetForAdmin]:
        """Every set of a run, the latest last."""
        books = self._ledger.now()
        return [_for_admin(books, one) for one in books.review_sets.values() if one.told.run == run]

    def send(
        self,
        run: str,
        task: ReviewTask,
        offered: Sequence[Offered],
        each: int,
        seed: int | None = None,
    ) -> str:
        """Open a set with these dialogues; its id. Raises ``Refused``: ``review_open_already``."""
        set_ = secrets.token_hex(ID_LENGTH // 2)
        items = [
            ReviewItem(
                item=self._keyed("review", f"{set_}:{number}")[:ID_LENGTH],
                name=one.name,
                messages=list(one.messages),
                rewriting=one.rewriting,
                sensitive=one.sensitive,
            )
            for number, one in enumerate(offered)
        ]
        told = ReviewSetOpened(set=set_, task=task, run=run, each=each, seed=seed, items=items)
        with saving(), self._store.transaction() as transaction:
            if any(not one.set.closed for one in self.of_run(run)):
                raise Refused("review_open_already")
            transaction.append(Event.of(told, role="admin"))
        return set_

    def close(self, run: str) -> None:
        """Take no more answers for what was sent of a run. Raises ``Refused``."""
        with saving(), self._store.transaction() as transaction:
            open_ = [one.set.told.set for one in self.of_run(run) if not one.set.closed]
            if not open_:
                raise Refused("review_closed")
            transaction.append_all(
                Event.of(ReviewSetClosed(set=one), role="admin") for one in open_
            )

    # ---- inside

    def _set(self, books: Books, who: Identity, set_: str) -> ReviewSet:
        found = books.review_sets.get(set_)
        if found is None or who.rater in books.left:
            raise Refused("no_work")
        if found.closed:
            raise Refused("review_closed")
        return found

    def _item(
        self, books: Books, who: Identity, set_: str, item: str
    ) -> tuple[ReviewSet, ReviewItem]:
        found = self._set(books, who, set_)
        if item not in found.items:
            raise Refused("no_work")
        return found, found.items[item]

    def _drafted(self, who: Identity, found: ReviewSet) -> tuple[set[str], set[str]]:
        """The items of a set that this rater has begun, and those that they put off."""
        begun: set[str] = set()
        later: set[str] = set()
        for key in self._drafts.keys(who.rater):
            item = key.removeprefix(_key(""))
            draft = self._drafts.get(who.rater, key) if item in found.items else None
            if draft is not None:
                (later if LATER in fields_of(draft) else begun).add(item)
        return begun, later


def _key(item: str) -> str:
    """Of the draft of an item."""
    return f"review:{item}"


def _answered(books: Books, found: ReviewSet, who: Identity) -> list[str]:
    """The items that a rater answered, in the order in which they did so first."""
    mine = [
        (theirs[who.rater][0].at, item)
        for item in found.items
        if who.rater in (theirs := books.reviews.get(item, {}))
    ]
    return [item for _, item in sorted(mine)]


def _standing(books: Books, found: ReviewSet, who: Identity) -> SetForRater:
    given = _answered(books, found, who)
    left = sum(
        item not in given and len(books.reviews.get(item, {})) < found.told.each
        for item in found.items
    )
    return SetForRater(found.told.set, found.told.task, left, tuple(given))


def _for_admin(books: Books, found: ReviewSet) -> SetForAdmin:
    each, theirs = found.told.each, [books.reviews.get(item, {}) for item in found.items]
    return SetForAdmin(
        found,
        wanted=each * len(found.items),
        answers=sum(min(each, len(one)) for one in theirs),
        raters=len({rater for one in theirs for rater in one}),
    )
