"""Sheets while they are filled: every change is on the disk before it is answered."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from mi_arena.battles.refusal import Code, Refused, saving
from mi_arena.miti.editing import BadChange, Edit, Misfit, Sheet, Undo, apply
from mi_arena.records.drafts import Draft, Drafts, Overtaken

Blank = Callable[[], Sheet]
"""Makes the sheet that stands before the first change."""


class Sheets:
    """Sheets of raters by key. Any number of tabs and devices may change one."""

    def __init__(self, drafts: Drafts):
        self._drafts = drafts

    def load(self, owner: str, key: str, blank: Blank) -> Sheet:
        """The sheet as it was last saved, or the blank one."""
        draft = self._drafts.get(owner, key)
        return blank() if draft is None else _read(draft)

    def shown(self, owner: str, key: str, blank: Blank, suggestion: str) -> Sheet:
        """The sheet, once it is kept that this suggestion stands beside it.

        Raises ``Refused``: ``not_saved``, and then it must not be shown.
        """
        while True:
            draft = self._drafts.get(owner, key)
            before = blank() if draft is None else _read(draft)
            if before.suggestion == suggestion:
                return before
            marked = before.model_copy(update={"suggestion": suggestion})
            replaces = None if draft is None else draft.version
            with saving():
                try:
                    kept = Draft(marked.version, marked.model_dump_json())
                    self._drafts.put(owner, key, kept, replaces=replaces)
                except Overtaken:
                    continue  # another tab was faster: what it left is marked now
            return marked

    def change(
        self,
        owner: str,
        key: str,
        blank: Blank,
        version: object,
        change: Edit | Undo,
        change_id: str = "",
    ) -> tuple[Sheet, Sheet]:
        """Apply a change; the sheet before and after it, the same one where it was applied already.

        Raises ``Refused``: ``overtaken`` when the page did not show the latest version,
        ``change_...`` for what does not fit, ``not_saved``. Nothing was changed then.
        """
        draft = self._drafts.get(owner, key)
        before = blank() if draft is None else _read(draft)
        if change_id and change_id == before.change_id:
            return before, before
        if version != before.version:
            raise Refused("overtaken")
        try:
            after = apply(before, change).model_copy(update={"change_id": change_id})
        except BadChange as error:
            raise misfit(error) from None
        body = after.model_dump_json()
        with saving():
            try:
                self._drafts.put(
                    owner,
                    key,
                    Draft(after.version, body),
                    replaces=None if draft is None else draft.version,
                )
            except Overtaken:
                raise Refused("overtaken") from None
        return before, after

    def begun(self, owner: str) -> set[str]:
        """The keys of the owner's sheets."""
        return set(self._drafts.keys(owner))

    def drop(self, owner: str, key: str) -> None:
        """Forget a sheet."""
        self._drafts.drop(owner, key)


def misfit(error: BadChange) -> Refused:
    """A change that does not fit, as a page is told."""
    return Refused(_MISFITS[error.code])


_MISFITS: dict[Misfit, Code] = {
    "unreadable": "change_unreadable",
    "no_such_place": "change_no_such_place",
    "no_words": "change_no_words",
    "cut_off": "change_cut_off",
    "last": "change_last",
    "nothing_done": "change_nothing_done",
}


def _read(draft: Draft) -> Sheet:
    try:
        return Sheet.model_validate_json(draft.body)
    except ValidationError:
        # Written by a newer MI Arena, or damaged: never overwritten in silence.
        raise Refused("damaged_draft") from None
