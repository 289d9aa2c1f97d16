"""Where dialogues to rate come from, and what was said in them: stored battles, imported files."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import ValidationError

from mi_arena.access.keyed import Keyed
from mi_arena.battles.refusal import Refused, saving
from mi_arena.battles.state import SIDES, BattleState, replay
from mi_arena.dialogue import Dialogue, Message
from mi_arena.engine.protocol import Arm
from mi_arena.records.battle_events import Judgement, Side
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore
from mi_arena.records.workspace_events import (
    BattleDrawn,
    DialogueImported,
    ImportTakenBack,
    WorkReleased,
)
from mi_arena.safety.crisis import scan
from mi_arena.workspace.ledger import Books, Import, Ledger, Material, material_of_battle

ID_LENGTH = 16
FILE_NAME_LENGTH = 200
KEPT_IN_MEMORY = 512
"""Dialogues of battles whose texts are kept ready."""
_WHERE = {
    "system": "meta.system",
    "pair": "meta.pair",
    "match": "meta.match_id",
    "topic": "topic or meta.topic",
}
"""Where a field stands in a file, if not under its own name."""


Problem = Literal[
    "not_utf8",
    "nothing_there",
    "not_json",
    "missing_field",
    "bad_role",
    "bad_system",
    "bad_field",
    "silent",
    "no_system",
    "same_system",
    "two_pairs",
    "being_judged",
]
"""What is wrong with a file, for pages that say it in their reader's language."""


class BadImport(ValueError):
    """A file that can't be imported; one line with its place. Nothing was imported."""

    def __init__(self, problem: Problem, place: str, message: str, **values: str):
        super().__init__(f"{place}: {message}")
        self.problem: Problem = problem
        self.values = {"place": place, **values}


@dataclass(frozen=True)
class Imported:
    """What became of the dialogues of a file."""

    new: int
    known: int
    """There already, from an earlier import."""
    in_danger: int
    """Left out: the client shows a sign of danger."""


@dataclass(frozen=True)
class ImportStanding:
    """An import, and how much has been handed in of what it brought."""

    batch: Import
    codings: int
    verdicts: int


class MaterialStore:
    """Adds material, takes it back, and says what was said."""

    def __init__(self, store: EventStore, ledger: Ledger, keyed: Keyed):
        self._store, self._ledger, self._keyed = store, ledger, keyed
        self._of_battle = lru_cache(KEPT_IN_MEMORY)(self._replayed)

    def messages(self, material: Material) -> tuple[Message, ...]:
        """The dialogue's turns, without system prompts, ending on the counsellor."""
        if material.battle is None or material.side is None:
            return material.messages
        return self._of_battle(material.battle, "tuned" if material.system == "tuned" else "base")

    def of_side(self, battle: str, side: str) -> str:
        """The id of the dialogue on one side of a battle, drawn already or not."""
        return self._keyed("dialogue", f"{battle}:{side}")[:ID_LENGTH]

    def of_battle(self, battle: str, side: Side) -> Material | None:
        """One side of a battle, drawn already or not; ``None`` where its beginning was lost."""
        started = next(self._store.events("battle_started", battle=battle), None)
        if started is None:
            return None
        return material_of_battle(started, side, self.of_side(battle, side), self._match_of(battle))

    def _match_of(self, battle: str) -> str:
        return self._keyed("match", battle)[:ID_LENGTH]

    def draw_battles(self) -> int:
        """Make material of every judged battle that is none yet; how many there were.

        Consent stands before every battle. Withdrawn battles and those with a sign of danger are
        left out. Raises ``Refused`` where nothing could be stored.
        """
        taken = {m.battle for m in self._ledger.now().dialogues.values()}
        out = {e.payload.battle for e in self._ended_badly()}  # type: ignore[attr-defined]
        new = {}
        for event in self._store.events("judgement"):
            judged = event.payload
            assert isinstance(judged, Judgement)
            # An admin's battles are trials of the arena.
            if event.role == "admin" or judged.battle in taken or judged.battle in out:
                continue
            new[judged.battle] = Event.of(
                BattleDrawn(
                    battle=judged.battle,
                    match=self._match_of(judged.battle),
                    dialogues={side: self.of_side(judged.battle, side) for side in SIDES},
                ),
                role="admin",
                epoch=event.epoch,
            )
        with saving(), self._store.transaction() as transaction:
            # Another admin may have drawn some of them meanwhile.
            still = [
                b
                for b in new
                if transaction.count("battle_started", battle=b)
                and not transaction.count("battle_drawn", battle=b)
            ]
            transaction.append_all(new[battle] for battle in still)
        return len(still)

    def import_dialogues(self, text: str, name: str) -> Imported:
        """Make material of a Dialogue JSONL; all of it or nothing.

        Needs ``meta.system``; takes ``meta.pair``, ``meta.match_id`` and ``topic`` or
        ``meta.topic``. Raises ``BadImport``, or ``Refused`` where nothing could be stored.
        """
        if "\ufffd" in text:
            raise BadImport(
                "not_utf8", name, "is not UTF-8 text; save it as UTF-8 and import it again"
            )
        new: dict[str, tuple[str, DialogueImported]] = {}
        in_danger = read = 0
        batch, taken_back = secrets.token_hex(8), self._ledger.now().taken_back
        for place, dialogue in _lines(text, name):
            read += 1
            imported = self._imported(dialogue, place, taken_back).model_copy(
                update={"batch": batch, "file": name[:FILE_NAME_LENGTH] or None}
            )
            if any(m.role == "client" and scan(m.content) for m in imported.messages):
                in_danger += 1
            else:
                new[imported.dialogue] = place, imported
        if not read:
            raise BadImport("nothing_there", name, "there is no dialogue in it")
        with saving(), self._store.transaction() as transaction:
            # Nobody imports into these matches or hands them out between look and append.
            books = self._ledger.now()
            fresh = [placed for key, placed in new.items() if key not in books.dialogues]
            _check_matches(fresh, books)
            transaction.append_all(Event.of(one, role="admin") for _, one in fresh)
        return Imported(new=len(fresh), known=read - len(fresh) - in_danger, in_danger=in_danger)

    def imports(self) -> list[ImportStanding]:
        """What was imported and not taken back, the latest first."""
        books = self._ledger.now()
        return [
            ImportStanding(batch, *books.handed_of(batch))
            for batch in reversed(books.imports.values())
        ]

    def take_back(self, batch: str) -> Import:
        """Take an import out of the material, with the work on it that is still open.

        Its matches may be imported again. Raises ``Refused``: ``no_import``, ``import_used`` as
        soon as anything of it was coded or judged, ``not_saved``.
        """
        self._ledger.now()  # the long reading, before others have to wait
        with saving(), self._store.transaction() as transaction:
            books = self._ledger.now()
            taken = books.imports.get(batch)
            if taken is None:
                raise Refused("no_import")
            codings, verdicts = books.handed_of(taken)
            if codings or verdicts:
                raise Refused("import_used", codings=codings, verdicts=verdicts)
            gone: set[str | None] = {books.dialogues[d].match for d in taken.dialogues}
            gone |= set(taken.dialogues)
            # Released one by one: a match that is imported again must not find its old raters.
            transaction.append_all(
                Event.of(WorkReleased(assignment=a.id), role="admin", rater=a.rater)
                for a in books.assignments.values()
                if a.target in gone
            )
            told = ImportTakenBack(batch=batch, dialogues=list(taken.dialogues))
            transaction.append(Event.of(told, role="admin"))
        return taken

    def _imported(
        self, dialogue: Dialogue, place: str, taken_back: frozenset[str]
    ) -> DialogueImported:
        meta, extra = dialogue.meta, dialogue.model_extra or {}
        said = [
            Message(role=m.role, content=m.content) for m in dialogue.messages if m.role != "system"
        ]
        while said and said[-1].role == "client":
            said.pop()
        if not any(m.role == "counselor" and m.content.strip() for m in said):
            raise BadImport("silent", place, "the counselor says nothing; there is nothing to code")
        match = meta.get("match_id")
        if "system" not in meta:
            raise BadImport(
                "no_system",
                place,
                "meta.system is missing; give base, base_prompted, tuned, reference or remote:NAME",
            )
        system, pair = meta["system"], str(meta.get("pair") or "none")
        match = match and self._keyed("match", f"imported:{match}")[:ID_LENGTH]
        told = {
            "messages": said,
            "system": system,
            "pair": pair,
            "match": match,
            "topic": extra.get("topic") or meta.get("topic"),
            "lang": dialogue.lang,
        }
        plain = [[m.role, m.content] for m in said]
        identity = json.dumps([dialogue.id, plain, system, pair, match], ensure_ascii=False)
        try:
            return DialogueImported.model_validate(
                {"dialogue": self._new_id(identity, taken_back), **told}
            )
        except ValidationError as error:
            raise _bad_field(error, place) from None

    def _new_id(self, identity: str, taken_back: frozenset[str]) -> str:
        """The id of an imported dialogue; another one each time after it was taken back."""
        named, times = identity, 0
        while (id_ := self._keyed("dialogue", named)[:ID_LENGTH]) in taken_back:
            times += 1
            named = f"{identity}:{times}"
        return id_

    def _ended_badly(self) -> Iterable[Event]:
        return self._store.events(("withdrawn", "battle_flagged"))

    def _replayed(self, battle: str, arm: Arm) -> tuple[Message, ...]:
        state = replay(self._store.events(battle=battle))
        return _of_arm(state, arm) if state is not None else ()


def _of_arm(state: BattleState, arm: Arm) -> tuple[Message, ...]:
    messages: Sequence[Message] = state.history(arm, None)
    return tuple(messages[:-1] if state.pending is not None else messages)


def _lines(text: str, name: str) -> Iterable[tuple[str, Dialogue]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            yield place, Dialogue.model_validate_json(line)
        except ValidationError as error:
            raise _bad_field(error, place) from None


def _bad_field(error: ValidationError, place: str) -> BadImport:
    """The first thing that is wrong with a line, named by its place in the file."""
    wrong = error.errors(include_input=False)[0]
    field = ".".join(str(part) for part in wrong["loc"])
    field = _WHERE.get(field, field)
    message = f"{field or 'the line'}: {wrong['msg']}"
    if not field:
        return BadImport("not_json", place, message)
    problem: Problem = "bad_field"
    if wrong["type"] == "missing":
        problem = "missing_field"
    elif field == "meta.system":
        problem = "bad_system"
    elif field.endswith(".role"):
        problem = "bad_role"
    return BadImport(problem, place, message, field=field)


def _check_matches(fresh: Iterable[tuple[str, DialogueImported]], books: Books) -> None:
    """A match is one client and different systems of one pair; it stays as it is once judged."""
    seen: dict[str, list[tuple[str, str]]] = {}
    for known in books.dialogues.values():
        if known.match is not None:
            seen.setdefault(known.match, []).append((known.pair, known.system))
    judged = {work.target for work in books.assignments.values() if work.task == "match"}
    judged |= {verdict.match for verdict, _ in books.verdicts.values()}
    for place, one in fresh:
        if one.match is None:
            continue
        others = seen.setdefault(one.match, [])
        if any(one.system == system for _, system in others):
            raise BadImport(
                "same_system",
                place,
                f"one match_id holds two dialogues of {one.system}; "
                "give each match its own match_id",
                system=one.system,
            )
        if any(one.pair != pair for pair, _ in others):
            raise BadImport(
                "two_pairs",
                place,
                f"one match_id holds dialogues of the pairs {others[0][0]} and {one.pair}",
                one=others[0][0],
                other=one.pair,
            )
        if one.match in judged:
            raise BadImport(
                "being_judged",
                place,
                "the match of this match_id is being judged and takes no third dialogue; "
                "give it another match_id",
            )
        others.append((one.pair, one.system))
