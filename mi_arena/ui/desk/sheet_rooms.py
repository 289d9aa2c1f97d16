"""The views in which a sheet is filled: assigned, practice, after a battle, adjudication."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from html import escape

from mi_arena.access.guard import require
from mi_arena.battles.refusal import Refused
from mi_arena.battles.state import SIDES
from mi_arena.miti.check import violations
from mi_arena.ui.desk import coding_view
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.desk.cases_room import codes_html, globals_html
from mi_arena.ui.desk.practice_view import result_html
from mi_arena.ui.texts import Lang, said, say
from mi_arena.ui.transcript import note_html
from mi_arena.workspace.desk import Desk, Job
from mi_arena.workspace.practising import is_trained
from mi_arena.workspace.workspace import Workspace


class SheetRoom(ABC):
    """What all of them have in common; the kinds differ in who may come in and what follows."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    @abstractmethod
    def job(self, call: Call) -> Job:
        """What is coded here. Raises ``Refused`` or ``NotAllowed``."""

    @abstractmethod
    def page(self, call: Call, desk: Desk) -> str:
        """The whole page."""

    def hand_in(self, call: Call, job: Job, *, sure: bool, reason: str | None) -> Answer:
        """Hand the sheet in and say what follows."""
        trained = is_trained(self.workspace.ledger.now(), job.rater)
        desk = self.workspace.desks.submit(
            job, call.version, sure=sure, trained=trained, reason=reason
        )
        parts = {"handing": coding_view.parts_of(desk, call.lang)["handing"]}
        return Answer(parts=parts, version=desk.sheet.version, note=_handed_in(call.lang))

    def open(self, call: Call) -> Answer:
        desk = self.workspace.desks.open(self.job(call))
        return Answer(html=self.page(call, desk), version=desk.sheet.version, view=self.view(call))

    def act(self, call: Call) -> Answer:
        job = self.job(call)
        if call.do == "change":
            change, id_ = call.sent.get("change"), call.text("id", 60)
            before, after = self.workspace.desks.change(job, call.version, change, id_)
            if before.sheet == after.sheet:
                return Answer(html=self.page(call, after), version=after.sheet.version)
            if before.sheet.form != after.sheet.form:
                return Answer(
                    html=self.page(call, after),
                    version=after.sheet.version,
                    say=coding_view.kept_told(after.sheet, call.lang),
                )
            parts = coding_view.changed_parts(before, after, call.lang)
            # Focus is on the next utterance by now, so a screen reader would miss what broke.
            told = coding_view.problems_told(violations(after.sheet.coding, call.lang), call.lang)
            return Answer(
                parts=parts,
                version=after.sheet.version,
                note="",
                say=told if "problems" in parts else "",
            )
        if call.do == "submit":
            fields = call.sent.get("fields")
            sent = fields if isinstance(fields, dict) else {}
            reason = str(sent.get("reason") or "").strip()[:2_000] or None
            try:
                return self.hand_in(call, job, sure=bool(sent.get("sure")), reason=reason)
            except Refused as refused:
                if call.again and self._arrived(job):
                    return replace(self.open(call), note=_handed_in(call.lang))
                if refused.code != "unsure":
                    raise
                return Answer(note=_are_you_sure(call.lang, refused, reason))
        raise Refused("no_work")

    def _arrived(self, job: Job) -> bool:
        """Whether what the sheet says is handed in: only the answer to it was lost then."""
        desk = self.workspace.desks.open(job)
        return desk.revision > 0 and not desk.changed

    @abstractmethod
    def view(self, call: Call) -> str:
        """The name under which a reload finds this page again."""


class AssignedRoom(SheetRoom):
    """``work:ASSIGNMENT``: an expert codes what was assigned to them."""

    def job(self, call: Call) -> Job:
        require(call.who, "expert")
        return self.workspace.assignments.job(call.who, call.argument)

    def page(self, call: Call, desk: Desk) -> str:
        beside = ""
        if desk.job.suggestion is not None:
            beside = f'<p class="hint">{said(call.lang, "desk_suggestions")}</p>'
        title = say(call.lang, "desk_coding_title")
        return coding_view.page(desk, call.lang, title, "home", beside=beside)

    def view(self, call: Call) -> str:
        return f"work:{call.argument}"


class PracticeRoom(SheetRoom):
    """``practice:NUMBER``: a vignette to code; once done, where and why it differs."""

    def job(self, call: Call) -> Job:
        require(call.who, "expert", "admin")
        return self.workspace.practice.job(call.who, _number(call))

    def page(self, call: Call, desk: Desk) -> str:
        title = say(call.lang, "desk_exercise", number=_number(call))
        beside = f'<p class="hint">{escape(say(call.lang, "desk_exercise_once"))}</p>'
        return coding_view.page(desk, call.lang, title, "home", beside=beside)

    def open(self, call: Call) -> Answer:
        require(call.who, "expert", "admin")
        try:
            return super().open(call)
        except Refused as refused:
            if refused.code != "practised_already":
                raise
            return self._result(call)

    def act(self, call: Call) -> Answer:
        require(call.who, "expert", "admin")
        try:
            return super().act(call)
        except Refused as refused:
            if refused.code != "practised_already":
                raise
            return self._result(call)

    def hand_in(self, call: Call, job: Job, *, sure: bool, reason: str | None) -> Answer:
        self.workspace.practice.submit(call.who, _number(call), call.version, sure=sure)
        return self._result(call)

    def view(self, call: Call) -> str:
        return f"practice:{call.argument}"

    def _result(self, call: Call) -> Answer:
        vignette, score = self.workspace.practice.looked_at(call.who, _number(call))
        stands = self.workspace.practice.progress(call.who)
        html = result_html(_number(call), vignette, score, stands, call.lang)
        return Answer(html=html, view=self.view(call))


class OwnRoom(SheetRoom):
    """``own:SIDE``: any rater fills the quick form for a side of the battle they judged."""

    def job(self, call: Call) -> Job:
        for side in SIDES:
            if call.argument in (side, ""):
                return self.workspace.own.job(call.who, call.battle, side)
        raise Refused("no_work")

    def page(self, call: Call, desk: Desk) -> str:
        here = desk.job.side
        tabs = "".join(
            f'<button type="button" data-open="own:{side}" data-key="own-{side}" '
            f'aria-current="{"true" if side == here else "false"}">'
            f"{escape(say(call.lang, 'side', side=side))}</button>"
            for side in SIDES
        )
        title = say(call.lang, "desk_own_title", side=here)
        nav = f'<nav class="sides-nav">{tabs}</nav>'
        return coding_view.page(desk, call.lang, title, None, beside=nav, dialogue=False)

    def view(self, call: Call) -> str:
        return f"own:{call.argument or 'A'}"


class FinalRoom(SheetRoom):
    """``final:DIALOGUE``: an admin writes the coding that settles what raters differ on."""

    def job(self, call: Call) -> Job:
        require(call.who, "admin")
        return self.workspace.adjudication.job(call.who, call.argument)

    def page(self, call: Call, desk: Desk) -> str:
        compared = self.workspace.adjudication.compare(call.argument)
        told = escape(say(call.lang, "desk_final_begins"))
        codes = (
            f"<details class=coders><summary>{said(call.lang, 'desk_final_codes')}</summary>"
            f"{codes_html(compared, call.lang)}</details>"
        )
        return coding_view.page(
            desk,
            call.lang,
            say(call.lang, "desk_final_title"),
            f"case:{call.argument}",
            beside=f'<p class="hint">{told}</p>{globals_html(compared, call.lang)}{codes}',
        )

    def hand_in(self, call: Call, job: Job, *, sure: bool, reason: str | None) -> Answer:
        if reason is None:
            raise Refused("no_reason")
        return super().hand_in(call, job, sure=sure, reason=reason)

    def view(self, call: Call) -> str:
        return f"final:{call.argument}"


def _number(call: Call) -> int:
    return int(call.argument) if call.argument.isdecimal() and len(call.argument) < 5 else 0


def _handed_in(lang: Lang) -> str:
    return note_html(say(lang, "desk_thanks"), "good")


def _are_you_sure(lang: Lang, refused: Refused, reason: str | None) -> str:
    hidden = (
        f'<input type="hidden" name="reason" value="{escape(reason)}">'
        if reason is not None
        else ""
    )
    some = [name for name in ("broken", "blank") if refused.values[name]]
    key = "refused_unsure" if len(some) == 2 else f"refused_unsure_{some[0]}"
    told = escape(say(lang, key, **refused.values))
    return (
        f'<form class="note bad" role="alert" data-do="submit"><span>{told}</span>{hidden}'
        f'<input type="hidden" name="sure" value="1">'
        f'<button type="submit" data-key="sure">{escape(say(lang, "desk_sure"))}</button></form>'
    )
