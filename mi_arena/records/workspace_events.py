"""Payloads about the experts' work: material, assignments, codings, matches, practice."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from mi_arena.dialogue import Message
from mi_arena.miti.coding import Coding
from mi_arena.records.battle_events import Side, Verdict
from mi_arena.records.payloads import MAX_MESSAGES, Ordinal, Payload, Reason, Short

System = Annotated[
    str, StringConstraints(pattern=r"^(base|base_prompted|tuned|reference|remote:\S{1,100})$")
]
"""What answered in an evaluation."""


class BattleDrawn(Payload):
    """A judged battle became material for experts: two dialogues and the match of both."""

    kind = "battle_drawn"
    needs = frozenset({"epoch"})

    battle: Short
    match: Short
    dialogues: dict[Side, Short]
    """Opaque ids; what was said stays in the battle's own events."""

    @field_validator("dialogues")
    @classmethod
    def _both(cls, dialogues: dict[Side, str]) -> dict[Side, str]:
        if len(set(dialogues.values())) != 2:
            raise ValueError("both sides' dialogues are drawn together")
        return dialogues


class DialogueImported(Payload):
    """A dialogue from a file became material for experts."""

    kind = "dialogue_imported"

    dialogue: Short
    """Opaque: a rater who knows the file cannot tell the dialogue by it."""
    messages: list[Message] = Field(min_length=2, max_length=MAX_MESSAGES)
    system: System
    pair: Short
    match: Short | None = None
    topic: Short | None = None
    lang: Short
    batch: Short | None = None
    """The import it came with, which can be taken back; records before this was told lack it."""
    file: Short | None = None
    """What the imported file was called; told to admins only."""


class ImportTakenBack(Payload):
    """What came with an import is no longer material: it was the wrong file, say."""

    kind = "import_taken_back"

    batch: Short
    dialogues: list[Short] = Field(min_length=1)
    """All that the import held."""


class WorkAssigned(Payload):
    """A rater (of the envelope) is to code a dialogue or to judge a match."""

    kind = "work_assigned"
    needs = frozenset({"rater"})

    assignment: Short
    task: Literal["coding", "match"]
    target: Short
    """The dialogue's or the match's id."""


class WorkReleased(Payload):
    """What was assigned and not finished is no longer to be done by that rater."""

    kind = "work_released"
    needs = frozenset({"rater"})

    assignment: Short


class RaterLeft(Payload):
    """A rater (of the envelope) takes no more work in this study, from now on and for good."""

    kind = "rater_left"
    needs = frozenset({"rater"})


class CodingSubmitted(Payload):
    """A rater handed a coding in. A correction is another one, with the next revision."""

    kind = "coding_submitted"
    needs = frozenset({"rater"})

    coding: Short
    revision: Ordinal
    source: Literal["assigned", "self", "adjudicated", "judge"]
    dialogue: Short
    assignment: Short | None = None
    battle: Short | None = None
    side: Side | None = None
    """Of a battle that its own rater coded (``self``)."""
    trained: bool
    """Whether the rater had passed practice when this was handed in."""
    revealed: bool = False
    """Whether the rater had been told the arms before (``self``)."""
    suggestion: Short | None = None
    """The suggestion of a judge that stood before the rater (``assigned``)."""
    form: Literal["full", "quick"]
    filled: Coding
    reason: Reason | None = None
    """Why an adjudicated coding says what it says."""

    @model_validator(mode="after")
    def _knows_where_it_comes_from(self) -> Self:
        needed = {
            "assigned": ("assignment",),
            "self": ("battle", "side"),
            "adjudicated": ("reason",),
            "judge": (),
        }[self.source]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a coding that is {self.source} needs {' and '.join(missing)}")
        return self


class MatchJudged(Verdict):
    """A rater's verdict on a match that was assigned to them."""

    kind = "match_judged"
    needs = frozenset({"rater"})

    assignment: Short
    match: Short
    a_dialogue: Short
    """Which of the two stood on side A."""


class PracticeBarSet(Payload):
    """An admin said what passing practice takes, from now on."""

    kind = "practice_bar_set"

    share: Annotated[float, Field(gt=0, le=1)]
    """Of a vignette's utterances that must carry the known code."""
    globals_within: Annotated[int, Field(strict=True, ge=0, le=4)]
    """How far each global may lie from the known one."""
    vignettes: Annotated[int, Field(strict=True, ge=1, le=10)]
    """How many vignettes must be passed."""


class PracticeDone(Payload):
    """A rater coded a vignette whose codes are known; what they were told is derived from this."""

    kind = "practice_done"
    needs = frozenset({"rater"})

    vignette: Short
    filled: Coding
