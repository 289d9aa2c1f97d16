"""Several codings of one dialogue side by side, and the final one, kept apart from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Refused
from mi_arena.dialogue import Message, turns
from mi_arena.miti.alignment import AlignedVolley, NotAligned, align
from mi_arena.miti.coding import Coding, Utterance
from mi_arena.miti.editing import Sheet
from mi_arena.miti.items import GLOBALS, GlobalKey
from mi_arena.workspace.desk import Job
from mi_arena.workspace.ledger import Books, Handed, Ledger
from mi_arena.workspace.material import MaterialStore


@dataclass(frozen=True)
class Case:
    """A dialogue that two or more experts coded."""

    dialogue: str
    coders: int
    differing: int | None
    """Segments and globals on which they differ; ``None`` where only totals were given."""
    final: bool
    """Whether it has a final coding."""


@dataclass(frozen=True)
class Compared:
    """The codings of one dialogue. Raters are numbered from 1, in the order of handing in."""

    dialogue: str
    messages: tuple[Message, ...]
    codings: tuple[Coding, ...]
    volleys: tuple[AlignedVolley, ...] | None
    reason: str | None
    """The reason that was given for the final coding, if there is one."""

    @property
    def differing_globals(self) -> tuple[GlobalKey, ...]:
        """A sheet has a number for these too, where it begins: nobody has settled it yet."""
        return differing_globals(self.codings)


class Adjudication:
    """For admins only; whoever calls it has asked the guard."""

    def __init__(self, ledger: Ledger, material: MaterialStore):
        self._ledger, self._material = ledger, material

    def cases(self) -> list[Case]:
        """Every dialogue with two or more assigned codings, the most disputed first."""
        books = self._ledger.now()
        assigned = _assigned(books)
        cases = []
        for dialogue in books.dialogues:
            codings = [handed.told.filled for handed in assigned.get(dialogue, [])]
            if len(codings) >= 2:
                final = _final_id(dialogue) in books.codings
                cases.append(Case(dialogue, len(codings), _differing(codings), final))
        return sorted(cases, key=lambda case: (case.final, -(case.differing or 0), case.dialogue))

    def compare(self, dialogue: str) -> Compared:
        """The codings beside each other. Raises ``Refused`` where there are not two."""
        return self._compared(self._ledger.now(), dialogue)

    def job(self, who: Identity, dialogue: str) -> Job:
        """The final coding of a dialogue, to be made or corrected. Raises ``Refused``."""
        books = self._ledger.now()
        compared = self._compared(books, dialogue)
        return Job(
            kind="final",
            # One final coding a dialogue, whichever admin goes on with it.
            owner="adjudication",
            rater=who.rater,
            role=who.role,
            key=f"final:{dialogue}",
            coding=_final_id(dialogue),
            messages=compared.messages,
            source={"source": "adjudicated", "dialogue": dialogue},
            epoch=books.dialogues[dialogue].epoch,
            begin=_agreed(compared),
            to_choose=compared.differing_globals,
        )

    def _compared(self, books: Books, dialogue: str) -> Compared:
        handed = _assigned(books).get(dialogue, [])
        if len(handed) < 2:
            raise Refused("no_work")
        codings = tuple(one.told.filled for one in handed)
        final = books.codings.get(_final_id(dialogue))
        return Compared(
            dialogue,
            self._material.messages(books.dialogues[dialogue]),
            codings,
            _aligned(codings),
            final[-1].told.reason if final else None,
        )


def differing_globals(codings: Sequence[Coding]) -> tuple[GlobalKey, ...]:
    """The globals that not all of the codings rate alike; one that left it out rates otherwise."""
    return tuple(key for key in GLOBALS if len({coding.globals.get(key) for coding in codings}) > 1)


def _final_id(dialogue: str) -> str:
    return f"final:{dialogue}"


def _assigned(books: Books) -> dict[str, list[Handed]]:
    """The independent codings of each dialogue, in the order of handing in."""
    found: dict[str, list[Handed]] = {}
    for handed in books.latest():
        if handed.told.source == "assigned" and handed.told.suggestion is None:
            found.setdefault(handed.told.dialogue, []).append(handed)
    return found


def _aligned(codings: Sequence[Coding]) -> tuple[AlignedVolley, ...] | None:
    try:
        return align(codings)
    except NotAligned:
        return None


def _agreed(compared: Compared) -> Sheet:
    """A sheet that says already what all coders said, and leaves open what they differ on."""
    if compared.volleys is None:
        said = [text for role, text in turns(compared.messages) if role == "counselor"]
        sheet = Sheet.blank(said)
    else:
        sheet = Sheet.of(
            [
                [
                    Utterance(text=segment.text, code=segment.codes[0] if segment.agree else None)
                    for segment in volley.segments
                ]
                for volley in compared.volleys
            ]
        )
    first = compared.codings[0]
    alike = {
        key: int(value)
        for key, value in first.globals.items()
        if key not in compared.differing_globals
    }
    goals = {coding.change_goal or "" for coding in compared.codings}
    goal = goals.pop() if len(goals) == 1 else ""
    return sheet.model_copy(update={"globals": sheet.globals | alike, "change_goal": goal})


def _differing(codings: Sequence[Coding]) -> int | None:
    volleys = _aligned(codings)
    if volleys is None:
        return None
    segments = sum(not segment.agree for volley in volleys for segment in volley.segments)
    return segments + len(differing_globals(codings))
