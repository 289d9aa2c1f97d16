"""``admin``: people, material, assignments, practice; the way to adjudication and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from mi_arena.access.guard import require
from mi_arena.access.members import AccessError, Members
from mi_arena.battles.refusal import Refused
from mi_arena.miti.vignettes import vignettes
from mi_arena.records.store import NotStored
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.texts import Lang, said, say
from mi_arena.ui.transcript import note_html
from mi_arena.workspace.assignments import TASKS, Standing
from mi_arena.workspace.material import BadImport
from mi_arena.workspace.workspace import Workspace

LONGEST_IMPORT = 20_000_000
"""Characters of a file that is imported from the page."""


class AdminRoom:
    """Every action of it asks the guard first."""

    def __init__(self, workspace: Workspace, members: Members | None):
        self.workspace, self._members = workspace, members
        self._actions: dict[str, Callable[[Call, Mapping[str, Any]], str]] = {
            "invite": self._invite,
            "revoke": self._revoke,
            "drop": self._drop,
            "draw-battles": self._draw_battles,
            "import": self._import,
            "assign": self._assign,
            "bar": self._bar,
        }

    def open(self, call: Call) -> Answer:
        require(call.who, "admin")
        return Answer(html=self._page(call.lang), view="admin")

    def act(self, call: Call) -> Answer:
        require(call.who, "admin")
        action = self._actions.get(call.do)
        if action is None:
            raise Refused("no_work")
        fields = call.sent.get("fields")
        try:
            told = action(call, fields if isinstance(fields, dict) else {})
        except BadImport as error:
            raise Refused("bad_import", why=str(error)) from None
        except AccessError as error:
            raise Refused("bad_import", why=str(error)) from None
        except NotStored:
            raise Refused("not_saved") from None
        return Answer(html=self._page(call.lang), note=told)

    # ---- actions

    def _invite(self, call: Call, fields: Mapping[str, Any]) -> str:
        invite = self._known().invite(str(fields.get("role")), str(fields.get("label") or ""))
        told = say(call.lang, "admin_invited", member=invite.member)
        return (
            f'<div class="note good" role="status">{escape(told)} '
            f"<code>{escape(invite.code)}</code></div>"
        )

    def _revoke(self, call: Call, _: Mapping[str, Any]) -> str:
        member = call.text("member")
        self._known().revoke(member)
        return _good(call.lang, "admin_revoked", member=member)

    def _drop(self, call: Call, _: Mapping[str, Any]) -> str:
        moved = self.workspace.assignments.drop_out(call.text("member"))
        return _good(call.lang, "admin_dropped", assigned=moved.assigned, unplaced=moved.unplaced)

    def _draw_battles(self, call: Call, _: Mapping[str, Any]) -> str:
        return _good(call.lang, "admin_drawn", n=self.workspace.material.draw_battles())

    def _import(self, call: Call, fields: Mapping[str, Any]) -> str:
        file = fields.get("file")
        text = file.get("text") if isinstance(file, dict) else None
        if not isinstance(text, str):
            raise BadImport(say(call.lang, "admin_no_file"))
        if len(text) > LONGEST_IMPORT:
            raise BadImport(say(call.lang, "admin_file_too_long", limit=LONGEST_IMPORT))
        name = str(file.get("name") or "file")[:80] if isinstance(file, dict) else "file"
        told = self.workspace.material.import_dialogues(text, name)
        return _good(
            call.lang, "admin_imported", new=told.new, known=told.known, danger=told.in_danger
        )

    def _assign(self, call: Call, fields: Mapping[str, Any]) -> str:
        task = next((task for task in TASKS if task == fields.get("task")), None)
        if task is None:
            raise Refused("bad_number")
        drawn = self.workspace.assignments.draw(
            task, _whole(fields, "each"), _number(fields, "doubled") / 100
        )
        return _good(call.lang, "admin_assigned", n=drawn.assigned, unplaced=drawn.unplaced)

    def _bar(self, call: Call, fields: Mapping[str, Any]) -> str:
        self.workspace.practice.set_bar(
            _number(fields, "share") / 100, _whole(fields, "within"), _whole(fields, "needed")
        )
        return _good(call.lang, "admin_bar_set")

    def _known(self) -> Members:
        if self._members is None:
            raise Refused("no_work")
        return self._members

    # ---- painting

    def _page(self, lang: Lang) -> str:
        return (
            '<article class="admin">'
            '<button type="button" class="link" data-open="home" data-key="back">'
            f"{said(lang, 'desk_back')}</button>"
            f"<h2 tabindex=-1>{said(lang, 'admin_title')}</h2>"
            f"{self._people(lang)}{self._material(lang)}{self._work(lang)}{self._practice(lang)}"
            f"<section><h3>{said(lang, 'admin_results')}</h3>"
            '<p><button type="button" data-open="cases" data-key="cases">'
            f"{said(lang, 'admin_cases')}</button> "
            '<button type="button" data-open="report" data-key="report">'
            f"{said(lang, 'admin_report')}</button></p></section></article>"
        )

    def _people(self, lang: Lang) -> str:
        standings = self.workspace.assignments.standings()
        rows = "".join(_person(one, lang) for one in standings)
        heads = "".join(
            f"<th>{said(lang, key)}</th>"
            for key in ("admin_member", "admin_practice", "admin_done", "admin_left", "admin_do")
        )
        table = (
            f'<div class="scroll"><table class="people"><thead><tr>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
            if standings
            else f'<p class="hint">{said(lang, "admin_nobody")}</p>'
        )
        roles = "".join(
            f'<option value="{role}">{said(lang, f"admin_role_{role}")}</option>'
            for role in ("expert", "admin")
        )
        return (
            f"<section><h3>{said(lang, 'admin_people')}</h3>{table}"
            f'<form data-do="invite"><label>{said(lang, "admin_label")}'
            '<input name="label" maxlength="100" data-key="invite-label"></label>'
            f'<label>{said(lang, "admin_role")}<select name="role">{roles}</select></label>'
            f'<button type="submit" data-key="invite">{said(lang, "admin_invite")}</button>'
            "</form></section>"
        )

    def _material(self, lang: Lang) -> str:
        books = self.workspace.ledger.now()
        systems = Counter(m.system for m in books.dialogues.values())
        held = "、" if lang == "zh" else ", "
        told = say(
            lang,
            "admin_material_n",
            dialogues=len(books.dialogues),
            matches=sum(len(d) == 2 for d in books.matches.values()),
            systems=held.join(f"{name} {n}" for name, n in sorted(systems.items())) or "–",
        )
        return (
            f"<section><h3>{said(lang, 'admin_material')}</h3><p>{escape(told)}</p>"
            '<p><button type="button" data-do="draw-battles" data-key="draw-battles">'
            f"{said(lang, 'admin_draw_battles')}</button></p>"
            f'<form data-do="import"><label>{said(lang, "admin_import_file")}'
            '<input type="file" name="file" accept=".jsonl,.json,.txt"></label>'
            f'<button type="submit" data-key="import">{said(lang, "admin_import")}</button>'
            "</form></section>"
        )

    def _work(self, lang: Lang) -> str:
        books = self.workspace.ledger.now()
        lines = []
        for task in TASKS:
            works = [a for a in books.assignments.values() if a.task == task]
            done = sum(books.done(a) for a in works)
            name = say(lang, f"desk_task_{task}")
            told = say(lang, "admin_work_n", task=name, done=done, n=len(works))
            lines.append(
                f'<p>{escape(told)} <progress max="{max(1, len(works))}" value="{done}">'
                f"{done}</progress></p>"
            )
        tasks = "".join(
            f'<option value="{task}">{said(lang, f"desk_task_{task}")}</option>' for task in TASKS
        )
        return (
            f"<section><h3>{said(lang, 'admin_work')}</h3>{''.join(lines)}"
            f'<form data-do="assign"><label>{said(lang, "admin_task")}'
            f'<select name="task">{tasks}</select></label>'
            f"{_field(lang, 'admin_each', 'each', 2, 1, 20)}"
            f"{_field(lang, 'admin_doubled', 'doubled', 100, 0, 100)}"
            f'<button type="submit" data-key="assign">{said(lang, "admin_assign")}</button>'
            f'</form><p class="hint">{said(lang, "admin_assign_why")}</p></section>'
        )

    def _practice(self, lang: Lang) -> str:
        bar = self.workspace.practice.bar()
        return (
            f"<section><h3>{said(lang, 'desk_practice')}</h3><form data-do='bar'>"
            f"{_field(lang, 'admin_bar_share', 'share', round(100 * bar.share), 1, 100)}"
            f"{_field(lang, 'admin_bar_within', 'within', bar.globals_within, 0, 4)}"
            f"{_field(lang, 'admin_bar_needed', 'needed', bar.vignettes, 1, len(vignettes()))}"
            f'<button type="submit" data-key="bar">{said(lang, "admin_bar_save")}</button>'
            "</form></section>"
        )


def _person(one: Standing, lang: Lang) -> str:
    member = one.member
    name = escape(member.label or member.member)
    state = f"admin_role_{member.role}"
    if member.revoked or one.left_study:
        state = "admin_revoked_state" if member.revoked else "admin_left_state"
    trained = said(lang, "admin_yes" if one.trained else "admin_no")
    buttons = []
    if not one.left_study:
        buttons.append(_sure("drop", member.member, "admin_drop", "admin_drop_sure", lang))
    if not member.revoked:
        buttons.append(_sure("revoke", member.member, "admin_revoke", "admin_revoke_sure", lang))
    return (
        f"<tr><th>{name}<br><small>{said(lang, state)} · {escape(member.member)}</small></th>"
        f"<td>{trained}</td><td>{one.done}</td><td>{one.left}</td><td>{''.join(buttons)}</td></tr>"
    )


def _sure(do: str, member: str, label: str, sure: str, lang: Lang) -> str:
    """A button that asks once more before it does what can't be taken back."""
    return (
        f'<button type="button" data-do="{do}" data-member="{escape(member)}" '
        f'data-sure="{said(lang, sure)}" data-key="{do}-{escape(member)}">'
        f"{said(lang, label)}</button>"
    )


def _field(lang: Lang, label: str, name: str, value: int, low: int, high: int) -> str:
    return (
        f'<label>{said(lang, label)}<input type="number" name="{name}" value="{value}" '
        f'min="{low}" max="{high}" step="1" required data-key="field-{name}"></label>'
    )


def _number(fields: Mapping[str, Any], name: str) -> float:
    try:
        return float(str(fields.get(name)))
    except ValueError:
        raise Refused("bad_number") from None


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = _number(fields, name)
    if not (0 <= value <= 1_000 and value.is_integer()):
        raise Refused("bad_number")
    return int(value)


def _good(lang: Lang, key: str, **values: object) -> str:
    return note_html(say(lang, key, **values), "good")
