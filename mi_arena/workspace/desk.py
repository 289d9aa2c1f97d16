"""Filling a sheet for a dialogue and handing it in, whoever asked for it.

A ``Job`` says what is coded, for whom and as what; the rooms that make jobs decide who may have
one. A ``Desk`` is the job with the sheet as it stands: all that a page may know.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from mi_arena.battles.refusal import Refused, saving
from mi_arena.dialogue import Message, turns
from mi_arena.miti.check import violations
from mi_arena.miti.coding import Coding
from mi_arena.miti.editing import BadChange, FormKind, Merge, SetForm, Sheet, Split, read_change
from mi_arena.miti.items import GlobalKey
from mi_arena.miti.suggesting import Hint, hints
from mi_arena.records.battle_events import Side
from mi_arena.records.events import Event
from mi_arena.records.payloads import Role
from mi_arena.records.store import AlreadyStored, EventStore
from mi_arena.records.suggestion_events import CodingSuggested
from mi_arena.records.workspace_events import CodingSubmitted
from mi_arena.safety.limits import RateLimiter
from mi_arena.workspace.ledger import Ledger
from mi_arena.workspace.sheets import Sheets, misfit

Kind = Literal["assigned", "own", "practice", "final"]


@dataclass(frozen=True)
class Job:
    """A dialogue to be coded. ``source`` fills what ``CodingSubmitted`` tells of where it is from;
    it may hold what the rater must not see."""

    kind: Kind
    owner: str
    """Whose draft it is."""
    rater: str
    """Who hands it in."""
    role: Role
    key: str
    """Names the job for its rater and their page."""
    coding: str
    """The id of what will be handed in."""
    messages: tuple[Message, ...]
    source: dict[str, Any]
    epoch: str | None = None
    """Hidden like ``source``: the id of an epoch begins with its pair's."""
    form: FormKind = "full"
    side: Side | None = None
    begin: Sheet | None = None
    """What the sheet is before the first change; ``None``: cut by punctuation, nothing coded."""
    can_cut: bool = True
    can_choose_form: bool = True
    to_choose: tuple[GlobalKey, ...] = ()
    """Globals that can't be handed in where they happen to begin."""
    suggestion: CodingSuggested | None = None
    """A judge's coding that its rater may see; it fills nothing in."""

    @property
    def volleys(self) -> list[str]:
        return [text for role, text in turns(self.messages) if role == "counselor"]


@dataclass(frozen=True)
class Desk:
    """The job's dialogue and sheet."""

    job: Job
    sheet: Sheet
    revision: int
    """How often it was handed in."""
    changed: bool
    """Whether the sheet says something else than what was handed in last."""

    @property
    def unchosen(self) -> tuple[GlobalKey, ...]:
        """The globals that are still to be chosen before the sheet can be handed in."""
        return tuple(key for key in self.job.to_choose if key not in self.sheet.chosen)

    @property
    def hints(self) -> tuple[tuple[Hint | None, ...], ...] | None:
        """What is suggested for each utterance; ``None`` where nothing is."""
        given = self.job.suggestion
        return None if given is None else hints(self.sheet.volleys, given.filled)


class Desks:
    """Opens, changes and hands in. Any number of threads may call it."""

    def __init__(self, store: EventStore, ledger: Ledger, sheets: Sheets):
        self._store, self._ledger, self._sheets = store, ledger, sheets
        self._submits = RateLimiter(30, 600, 60)
        """Far more than anybody hands in: what a hammering visitor could fill the disk with."""

    def open(self, job: Job) -> Desk:
        """The sheet as it was left. Raises ``Refused`` for a draft that can't be read, and where
        it can't be kept that a suggestion was shown."""
        return self._desk(job, self._opened(job))

    def change(
        self, job: Job, version: object, given: object, change_id: str = ""
    ) -> tuple[Desk, Desk]:
        """The desk before and after a change that a page sent. Raises ``Refused``.

        ``change_id`` is the page's name of the change: one whose answer was lost on the way, and
        that is sent again, is done once.
        """
        try:
            change = read_change(given)
        except BadChange as error:
            raise misfit(error) from None
        if isinstance(change, SetForm) and not job.can_choose_form:
            raise Refused("change_fixed")
        if isinstance(change, Split | Merge) and not job.can_cut:
            raise Refused("change_fixed")
        if job.suggestion is not None:
            self._opened(job)
        before, after = self._sheets.change(
            job.owner, job.key, lambda: self._begin(job), version, change, change_id
        )
        return self._desk(job, before), self._desk(job, after)

    def submit(
        self, job: Job, version: object, *, sure: bool, trained: bool, reason: str | None = None
    ) -> Desk:
        """Hand the sheet in as the next revision; stored when this returns.

        Raises ``Refused``: ``overtaken`` by another device, ``no_goal``, ``unchosen`` globals,
        ``unsure`` when there is something to look at again and the rater has not said that they
        did, ``unchanged``.
        """
        desk = self.open(job)
        check_ready(desk, version, sure=sure)
        if not desk.changed and reason == self._reason(job):
            raise Refused("unchanged")
        if (wait := self._submits.allow(job.rater)) > 0:
            raise Refused("too_fast", seconds=round(wait + 0.5))
        told = CodingSubmitted(
            coding=job.coding,
            revision=desk.revision + 1,
            trained=trained,
            form=desk.sheet.form,
            filled=desk.sheet.coding,
            reason=reason,
            suggestion=self._seen(desk),
            **job.source,
        )
        with saving():
            try:
                self._store.append(Event.of(told, role=job.role, rater=job.rater, epoch=job.epoch))
            except AlreadyStored:
                raise Refused("overtaken") from None
        return self.open(job)

    def _opened(self, job: Job) -> Sheet:
        if job.suggestion is None:
            return self._sheets.load(job.owner, job.key, lambda: self._begin(job))
        seen = job.suggestion.suggestion
        return self._sheets.shown(job.owner, job.key, lambda: self._begin(job), seen)

    def forget(self, job: Job) -> None:
        """Drop the draft of what was handed in elsewhere."""
        self._sheets.drop(job.owner, job.key)

    def handed(self, job: Job) -> list[Coding]:
        """Every revision, the latest last."""
        return [one.told.filled for one in self._ledger.now().codings.get(job.coding, ())]

    def _seen(self, desk: Desk) -> str | None:
        """The suggestion that stood before the rater at any time, also before a draft was lost."""
        earlier = self._ledger.now().codings.get(desk.job.coding, ())
        before = [one.told.suggestion for one in earlier]
        return desk.sheet.suggestion or next((one for one in reversed(before) if one), None)

    def _reason(self, job: Job) -> str | None:
        """What was given as the reason of the latest revision."""
        revisions = self._ledger.now().codings.get(job.coding)
        return revisions[-1].told.reason if revisions else None

    def _desk(self, job: Job, sheet: Sheet) -> Desk:
        handed = self.handed(job)
        return Desk(job, sheet, len(handed), not handed or handed[-1] != sheet.coding)

    def _begin(self, job: Job) -> Sheet:
        if handed := self.handed(job):
            # The draft was lost. The version is one that no page can show of an earlier sheet.
            named = sha256(f"{job.coding}:{len(handed)}".encode()).hexdigest()
            version = int(named[:10], 16)
            return Sheet.again(handed[-1], job.volleys).model_copy(update={"version": version})
        if job.suggestion is not None:
            # Cut as the suggestion is, so that each of its codes has its utterance; nothing coded.
            texts = [
                [one.text for one in volley.utterances]
                for volley in job.suggestion.filled.volleys or ()
            ]
            return Sheet.uncoded(texts)
        return job.begin or Sheet.blank(job.volleys, job.form)


def check_ready(desk: Desk, version: object, *, sure: bool) -> None:
    """Raises ``Refused`` unless the sheet that the page shows can be handed in."""
    sheet = desk.sheet
    if version != sheet.version:
        raise Refused("overtaken")
    if not sheet.change_goal.strip():
        raise Refused("no_goal")
    if desk.unchosen:
        raise Refused("unchosen", n=len(desk.unchosen))
    if not sure and (to_see := look_again(sheet)):
        raise Refused("unsure", **to_see)


def look_again(sheet: Sheet) -> dict[str, int]:
    """How much there is that a rater may have overlooked: broken rules, what has no code or total.

    Empty where there is nothing.
    """
    broken = len(violations(sheet.coding))
    if sheet.form == "quick":
        blank = sum(count is None for count in sheet.counts.values())
    else:
        blank = sum(one.code is None for volley in sheet.volleys for one in volley)
    return {"broken": broken, "blank": blank} if broken or blank else {}
