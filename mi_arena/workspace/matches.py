"""Judging a match: two dialogues with the same client, blind, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mi_arena.access.identity import Identity
from mi_arena.access.keyed import Keyed
from mi_arena.battles.form import FORM_VERSION, Answers
from mi_arena.battles.refusal import Refused, saving
from mi_arena.dialogue import Message
from mi_arena.records.battle_events import Side
from mi_arena.records.drafts import Draft, Drafts, Overtaken
from mi_arena.records.events import Event
from mi_arena.records.store import AlreadyStored, EventStore, NotStored
from mi_arena.records.workspace_events import MatchJudged
from mi_arena.workspace.assignments import Assignments
from mi_arena.workspace.field_drafts import fields_of
from mi_arena.workspace.ledger import Books, Ledger
from mi_arena.workspace.material import MaterialStore

LONGEST_DRAFT = 20_000
"""Characters of a form that is kept while it is filled; far more than ours can hold."""


@dataclass(frozen=True)
class MatchView:
    """Both dialogues as their rater may see them."""

    assignment: str
    sides: dict[Side, tuple[Message, ...]]
    verdict: Answers | None
    """What this rater said, once they did; what it was about is never revealed here."""
    draft: Mapping[str, str] = field(default_factory=dict)
    """The form as far as it was filled: values by the names of its fields."""
    version: int = 0
    """Of the draft; whoever saves the next one must know it."""


class Matches:
    """Any number of threads may call it."""

    def __init__(
        self,
        store: EventStore,
        ledger: Ledger,
        material: MaterialStore,
        assignments: Assignments,
        drafts: Drafts,
        keyed: Keyed,
    ):
        self._store, self._ledger, self._material = store, ledger, material
        self._assignments, self._drafts, self._keyed = assignments, drafts, keyed

    def open(self, who: Identity, assignment: str) -> MatchView:
        """The match of an assignment. Raises ``Refused``."""
        books = self._ledger.now()
        self._assignments.work(books, who, assignment, "match")
        judged = books.verdicts.get(assignment)
        draft = None if judged else self._drafts.get(who.rater, assignment)
        return MatchView(
            assignment,
            {
                side: self._material.messages(books.dialogues[dialogue])
                for side, dialogue in self._sides(books, who, assignment).items()
            },
            _answers(judged[0]) if judged else None,
            fields_of(draft) if draft else {},
            draft.version if draft else 0,
        )

    def keep(
        self, who: Identity, assignment: str, version: object, filled: Mapping[str, str]
    ) -> int:
        """Save the form as far as it is filled; the draft's version from now on.

        Raises ``Refused``: ``overtaken`` when the page did not show the latest one,
        ``judged_already``, ``not_saved``.
        """
        books = self._ledger.now()
        self._assignments.work(books, who, assignment, "match")
        if assignment in books.verdicts:
            raise Refused("judged_already")
        body = json.dumps(dict(filled), ensure_ascii=False)
        if len(body) > LONGEST_DRAFT:
            raise Refused("too_long", limit=LONGEST_DRAFT, length=len(body))
        draft = self._drafts.get(who.rater, assignment)
        if draft is not None and draft.body == body:
            return draft.version  # sent again, as the answer was lost on its way
        stands = draft.version if draft else 0
        if version != stands:
            raise Refused("overtaken")
        with saving():
            try:
                self._drafts.put(
                    who.rater,
                    assignment,
                    Draft(stands + 1, body),
                    replaces=draft.version if draft else None,
                )
            except Overtaken:
                raise Refused("overtaken") from None
        return stands + 1

    def judge(self, who: Identity, assignment: str, answers: Answers) -> None:
        """Store the verdict; it stands once and for all. Raises ``Refused``."""
        books = self._ledger.now()
        work = self._assignments.work(books, who, assignment, "match")
        reason = answers.cleaned_reason()
        judged = MatchJudged(
            assignment=assignment,
            match=work.target,
            a_dialogue=self._sides(books, who, assignment)["A"],
            overall=answers.overall,
            scales=answers.scales,
            reason=reason,
            guess=answers.guess,
            confidence=answers.confidence,
            form_version=FORM_VERSION,
        )
        epoch = books.dialogues[judged.a_dialogue].epoch
        with saving():
            try:
                self._store.append(Event.of(judged, role=who.role, rater=who.rater, epoch=epoch))
            except AlreadyStored:
                raise Refused("judged_already") from None
        # The verdict is stored: a draft that stays behind is never shown again.
        with suppress(NotStored):
            self._drafts.drop(who.rater, assignment)

    def _sides(self, books: Books, who: Identity, assignment: str) -> dict[Side, str]:
        """Which dialogue stands on which side: by a keyed hash, so each rater has their own.

        Raises ``Refused`` for a match that can't be judged.
        """
        match = books.assignments[assignment].target
        opponents = books.opponents(match)
        if opponents is None:
            raise Refused("no_work")
        first, second = opponents
        if int(self._keyed("sides", f"{match}:{who.rater}")[:8], 16) % 2:
            first, second = second, first
        return {"A": first, "B": second}


def _answers(judged: MatchJudged) -> Answers:
    """A verdict without the ids of what it is about."""
    return Answers(
        overall=judged.overall,
        scales=judged.scales,
        reason=judged.reason,
        guess=judged.guess,
        confidence=judged.confidence,
    )
