"""A judge's codings as suggestions to people who code: where an admin allows, and never on study
items.

A suggestion is shown beside the form and fills nothing in; a coding that was made with one says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from mi_arena.battles.refusal import Refused, saving
from mi_arena.dialogue import spoken_sha256, turns
from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.fitting import DoesNotFit, fitted
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore
from mi_arena.records.suggestion_events import CodingSuggested, SuggestionsAllowed
from mi_arena.workspace.ledger import Books, Import, Ledger, Material


@dataclass(frozen=True)
class Judged:
    """A judge's coding, and of which dialogue (`spoken_sha256`)."""

    dialogue_sha256: str
    coding: Coding
    model: str
    prompt_version: str
    prompt_sha256: str


@dataclass
class Attached:
    """What became of a judge's codings, by dialogue of the workspace."""

    new: int = 0
    known: int = 0
    """The same suggestion stood there already."""
    not_allowed: int = 0
    """Of an import for which no admin allows suggestions."""
    study_items: int = 0
    """Dialogues that are coded blind: never."""
    not_here: int = 0
    """Codings of dialogues that the workspace doesn't have."""
    events: list[Event] = field(default_factory=list, repr=False)


def is_study_item(material: Material) -> bool:
    """Whether raters code it blind, so that nothing may lead them: sides of battles, dialogues of
    a match, and whatever a system under study has answered.

    What is left are gold dialogues (system ``reference``) that are compared with nothing.
    """
    return (
        material.battle is not None or material.match is not None or material.system != "reference"
    )


def may_take(books: Books, batch: Import) -> bool:
    """Whether there is any dialogue in an import for which suggestions could be allowed."""
    here = (books.dialogues.get(dialogue) for dialogue in batch.dialogues)
    return any(material is not None and not is_study_item(material) for material in here)


def suggestion_for(books: Books, dialogue: str) -> CodingSuggested | None:
    """The suggestion that may be shown for a dialogue now."""
    material = books.dialogues.get(dialogue)
    if material is None or is_study_item(material) or not _allowed(books, dialogue):
        return None
    return books.suggestions.get(dialogue)


def _allowed(books: Books, dialogue: str) -> bool:
    return any(
        dialogue in books.imports[batch].dialogues
        for batch in books.suggestions_allowed
        if batch in books.imports
    )


class Suggestions:
    """Allows, forbids and attaches. Any number of threads and processes may call it."""

    def __init__(self, store: EventStore, ledger: Ledger):
        self._store, self._ledger = store, ledger

    def allow(self, batch: str, allowed: bool) -> None:
        """Whether suggestions may be shown for an import. Raises ``Refused``: ``no_import``,
        ``import_is_study`` where all of its dialogues are study items, ``not_saved``."""
        with saving(), self._store.transaction() as transaction:
            books = self._ledger.now()
            found = books.imports.get(batch)
            if found is None:
                raise Refused("no_import")
            if allowed and not may_take(books, found):
                raise Refused("import_is_study")
            if allowed != (batch in books.suggestions_allowed):
                told = SuggestionsAllowed(batch=batch, allowed=allowed)
                transaction.append(Event.of(told, role="admin"))

    def attach(self, codings: Iterable[Judged]) -> Attached:
        """Keep codings as suggestions, wherever they may be shown. Raises ``Refused``."""
        self._ledger.now()  # the long reading, before others have to wait
        with saving(), self._store.transaction() as transaction:
            # An admin may have forbidden them between look and append.
            attached = _sorted_out(self._ledger.now(), codings)
            transaction.append_all(attached.events)
        return attached


def _sorted_out(books: Books, codings: Iterable[Judged]) -> Attached:
    here: dict[str, list[Material]] = {}
    for material in books.dialogues.values():
        # What was said in a battle stays in its events: those are study items anyway.
        if material.messages:
            here.setdefault(spoken_sha256(material.messages), []).append(material)
    attached = Attached()
    for one in codings:
        found = here.get(one.dialogue_sha256, [])
        attached.not_here += not found
        for material in found:
            _attach(books, one, material, attached)
    return attached


def _attach(books: Books, judged: Judged, material: Material, attached: Attached) -> None:
    if is_study_item(material):
        attached.study_items += 1
    elif not _allowed(books, material.dialogue):
        attached.not_allowed += 1
    elif (coding := _of_material(judged.coding, material)) is None:
        attached.not_here += 1
    else:
        told = CodingSuggested(
            suggestion=secrets.token_hex(8),
            dialogue=material.dialogue,
            model=judged.model,
            prompt_version=judged.prompt_version,
            prompt_sha256=judged.prompt_sha256,
            filled=coding,
        )
        before = books.suggestions.get(material.dialogue)
        if before is not None and before == told.model_copy(
            update={"suggestion": before.suggestion}
        ):
            attached.known += 1
        else:
            attached.new += 1
            attached.events.append(Event.of(told, role="admin"))


def _of_material(coding: Coding, material: Material) -> Coding | None:
    """The coding over the workspace's own text; ``None`` where it is of another one."""
    said = [text for role, text in turns(material.messages) if role == "counselor"]
    volleys = coding.volleys or ()
    if len(volleys) != len(said):
        return None
    own = []
    for volley, text in zip(volleys, said, strict=True):
        try:
            texts = fitted([one.text for one in volley.utterances], text)
        except DoesNotFit:
            return None
        own.append(
            Volley(
                utterances=tuple(
                    Utterance(text=part, code=one.code)
                    for part, one in zip(texts, volley.utterances, strict=True)
                    if part
                )
            )
        )
    return coding.model_copy(update={"volleys": tuple(own)})
