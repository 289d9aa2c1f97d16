"""A coding while it is being made: every change a rater can make to it, and how to take it back.

Pure: a sheet and a change in, a new sheet out. Knows nothing of pages, raters or where it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.items import CODES, GLOBALS, Code, GlobalKey
from mi_arena.miti.rules import MOST_COUNT
from mi_arena.miti.segment import cut

FormKind = Literal["full", "quick"]
START = 3
"""Where a global begins; the coder moves it from there."""
LONGEST_GOAL = 300
UNDO_STEPS = 200
"""Changes that can be taken back; the oldest are forgotten first."""


Misfit = Literal["unreadable", "no_such_place", "no_words", "cut_off", "last", "nothing_done"]
"""Why a change does not fit, for pages that say it in their reader's language."""


class BadChange(ValueError):
    """The change does not fit the sheet; nothing was changed. One line, without its text."""

    def __init__(self, code: Misfit, message: str):
        super().__init__(message)
        self.code: Misfit = code


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SetGoal(_Frozen):
    """Name the change goal."""

    do: Literal["goal"] = "goal"
    text: Annotated[str, Field(max_length=LONGEST_GOAL)]


class SetGlobal(_Frozen):
    """Put a global at 1-5; where it stands already, that is a choice too."""

    do: Literal["global"] = "global"
    key: GlobalKey
    value: Annotated[int, Field(strict=True, ge=1, le=5)]


class SetCode(_Frozen):
    """Give an utterance a code, or none. Positions count from 0."""

    do: Literal["code"] = "code"
    volley: Annotated[int, Field(strict=True, ge=0)]
    utterance: Annotated[int, Field(strict=True, ge=0)]
    code: Code | None


class Split(_Frozen):
    """Cut an utterance in two before its character ``at``; its code stays with the first part."""

    do: Literal["split"] = "split"
    volley: Annotated[int, Field(strict=True, ge=0)]
    utterance: Annotated[int, Field(strict=True, ge=0)]
    at: Annotated[int, Field(strict=True, ge=1)]


class Merge(_Frozen):
    """Join an utterance with the one after it; the first one's code stays, else the second's."""

    do: Literal["merge"] = "merge"
    volley: Annotated[int, Field(strict=True, ge=0)]
    utterance: Annotated[int, Field(strict=True, ge=0)]


class SetCount(_Frozen):
    """Write a total on the quick form, or leave it blank."""

    do: Literal["count"] = "count"
    code: Code
    value: Annotated[int, Field(strict=True, ge=0, le=MOST_COUNT)] | None


class SetForm(_Frozen):
    """Choose between coding utterances and writing totals; neither's entries are lost."""

    do: Literal["form"] = "form"
    form: FormKind


class Undo(_Frozen):
    """Take back the last change."""

    do: Literal["undo"] = "undo"


Edit = SetGoal | SetGlobal | SetCode | Split | Merge | SetCount | SetForm
Change = Annotated[Edit | Undo, Field(discriminator="do")]
_CHANGE: TypeAdapter[Edit | Undo] = TypeAdapter(Change)


class _Before(_Frozen):
    """What stood in the place of a change, so that it can be put back."""

    place: str
    goal: str | None = None
    key: GlobalKey | None = None
    value: int | None = None
    volley: int | None = None
    chosen: tuple[GlobalKey, ...] | None = None
    utterances: tuple[Utterance, ...] | None = None
    code: Code | None = None
    form: FormKind | None = None


class Sheet(_Frozen):
    """The state of a coding in the making; it goes through JSON unchanged."""

    version: Annotated[int, Field(ge=0)] = 0
    """Grows with every change: who changes an older one is told so."""
    change_id: str = ""
    """The page's name of the change that made this version; sent twice, it counts once."""
    suggestion: str | None = None
    """The suggestion of a judge that has stood beside the sheet, the latest."""
    form: FormKind = "full"
    change_goal: str = ""
    globals: dict[GlobalKey, int]
    chosen: tuple[GlobalKey, ...] = ()
    """The globals that the coder has put where they stand; the others only begin there."""
    volleys: tuple[tuple[Utterance, ...], ...]
    counts: dict[Code, int | None]
    undo: tuple[_Before, ...] = ()

    @classmethod
    def blank(cls, volleys: Sequence[str], form: FormKind = "full") -> Self:
        """A new sheet for these counsellor volleys, cut by punctuation; globals begin at 3."""
        return cls.of([[Utterance(text=text) for text in cut(volley)] for volley in volleys], form)

    @classmethod
    def of(cls, volleys: Sequence[Sequence[Utterance]], form: FormKind = "full") -> Self:
        """A new sheet over utterances that are cut already, with the codes they carry."""
        return cls(
            form=form,
            globals=dict.fromkeys(GLOBALS, START),
            volleys=tuple(tuple(one) for one in volleys),
            counts=dict.fromkeys(CODES),
        )

    @classmethod
    def uncoded(cls, volleys: Sequence[Sequence[str]]) -> Self:
        """A new sheet over utterances that are cut already."""
        return cls.of([[Utterance(text=text) for text in volley] for volley in volleys])

    @classmethod
    def again(cls, coding: Coding, volleys: Sequence[str]) -> Self:
        """The sheet of a coding that was handed in, to go on from there."""
        if coding.volleys is not None:
            sheet = cls.of([volley.utterances for volley in coding.volleys])
        else:
            sheet = cls.blank(volleys, "quick")
        counted = {code: int(count) for code, count in (coding.counts or {}).items()}
        rated = {key: int(value) for key, value in coding.globals.items()}
        return sheet.model_copy(
            update={
                "change_goal": coding.change_goal or "",
                "globals": sheet.globals | rated,
                "chosen": tuple(rated),
                "counts": sheet.counts | counted,
            }
        )

    @property
    def coding(self) -> Coding:
        """The coding as it stands, by the form that is chosen."""
        if self.form == "quick":
            given = {code: count for code, count in self.counts.items() if count is not None}
            return Coding(change_goal=self.change_goal, globals=self.globals, counts=given)
        return Coding(
            change_goal=self.change_goal,
            globals=self.globals,
            volleys=tuple(Volley(utterances=one) for one in self.volleys),
        )


def read_change(given: object) -> Edit | Undo:
    """The change in a decoded JSON value. Raises ``BadChange``."""
    try:
        return _CHANGE.validate_python(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the change"
        raise BadChange("unreadable", f"{where}: {first['msg']}") from None


def apply(sheet: Sheet, change: Edit | Undo) -> Sheet:
    """The sheet after the change, with a version more. Raises ``BadChange``."""
    if isinstance(change, Undo):
        if not sheet.undo:
            raise BadChange("nothing_done", "there is nothing to take back")
        last, before = sheet.undo[-1], sheet.undo[:-1]
        return _put_back(sheet, last).model_copy(
            update={"undo": before, "version": sheet.version + 1}
        )
    changed, before_it = _edited(sheet, change)
    undo = sheet.undo
    # A goal is typed letter by letter and saved on the way: that is one change to take back.
    if not (isinstance(change, SetGoal) and undo and undo[-1].place == "goal"):
        undo = (*undo, before_it)[-UNDO_STEPS:]
    return changed.model_copy(update={"undo": undo, "version": sheet.version + 1})


def _edited(sheet: Sheet, change: Edit) -> tuple[Sheet, _Before]:
    match change:
        case SetGoal():
            before = _Before(place="goal", goal=sheet.change_goal)
            return sheet.model_copy(update={"change_goal": change.text}), before
        case SetGlobal():
            before = _Before(
                place="global",
                key=change.key,
                value=sheet.globals[change.key],
                chosen=sheet.chosen,
            )
            rated = sheet.globals | {change.key: change.value}
            chosen = tuple(dict.fromkeys((*sheet.chosen, change.key)))
            return sheet.model_copy(update={"globals": rated, "chosen": chosen}), before
        case SetCount():
            before = _Before(place="count", code=change.code, value=sheet.counts[change.code])
            counted = sheet.counts | {change.code: change.value}
            return sheet.model_copy(update={"counts": counted}), before
        case SetForm():
            before = _Before(place="form", form=sheet.form)
            return sheet.model_copy(update={"form": change.form}), before
    utterances = _volley(sheet, change.volley)
    before = _Before(place="volley", volley=change.volley, utterances=utterances)
    at = change.utterance
    if at >= len(utterances):
        raise BadChange("no_such_place", f"volley {change.volley + 1} has no utterance {at + 1}")
    here = utterances[at]
    match change:
        case SetCode():
            if not here.text.strip() and change.code is not None:
                raise BadChange("no_words", "an utterance without text takes no code")
            new: tuple[Utterance, ...] = (Utterance(text=here.text, code=change.code),)
            after = utterances[at + 1 :]
        case Split():
            first, second = here.text[: change.at], here.text[change.at :]
            if not first.strip() or not second.strip():
                raise BadChange("cut_off", "there must be words on both sides of a cut")
            new = (Utterance(text=first, code=here.code), Utterance(text=second))
            after = utterances[at + 1 :]
        case Merge():
            if at + 1 >= len(utterances):
                raise BadChange("last", "there is no utterance after this one in its volley")
            following = utterances[at + 1]
            code = here.code if here.code is not None else following.code
            new = (Utterance(text=here.text + following.text, code=code),)
            after = utterances[at + 2 :]
    return _with_volley(sheet, change.volley, (*utterances[:at], *new, *after)), before


def _put_back(sheet: Sheet, before: _Before) -> Sheet:
    match before.place:
        case "goal":
            return sheet.model_copy(update={"change_goal": before.goal or ""})
        case "form":
            return sheet.model_copy(update={"form": before.form})
        case "global":
            rated = sheet.globals | {before.key: before.value}
            return sheet.model_copy(update={"globals": rated, "chosen": before.chosen or ()})
        case "count":
            return sheet.model_copy(update={"counts": sheet.counts | {before.code: before.value}})
    return _with_volley(sheet, before.volley or 0, before.utterances or ())


def _volley(sheet: Sheet, number: int) -> tuple[Utterance, ...]:
    if number >= len(sheet.volleys):
        raise BadChange("no_such_place", f"there is no volley {number + 1}")
    return sheet.volleys[number]


def _with_volley(sheet: Sheet, number: int, utterances: tuple[Utterance, ...]) -> Sheet:
    volleys = (*sheet.volleys[:number], utterances, *sheet.volleys[number + 1 :])
    return sheet.model_copy(update={"volleys": volleys})
