"""The admin's page as HTML: people, material and where it came from, assignments, practice."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import NamedTuple

from mi_arena.miti.vignettes import vignettes
from mi_arena.ui.texts import Lang, said, say
from mi_arena.workspace.assignments import TASKS, Standing
from mi_arena.workspace.ledger import Books, Import
from mi_arena.workspace.material import ImportStanding
from mi_arena.workspace.suggestions import may_take, suggestion_for
from mi_arena.workspace.workspace import Workspace

LONGEST_LABEL = 100


class Number(NamedTuple):
    """A number that an admin may fill in, with both its limits."""

    label: str
    low: int
    high: int


NUMBERS = {
    "each": Number("admin_each", 1, 20),
    "doubled": Number("admin_doubled", 0, 100),
    "share": Number("admin_bar_share", 1, 100),
    "within": Number("admin_bar_within", 0, 4),
    "needed": Number("admin_bar_needed", 1, len(vignettes())),
}
"""By the name of their field. The page shows the limits, and the server asks for them."""


def page(workspace: Workspace, lang: Lang) -> str:
    """The whole page."""
    return (
        '<article class="admin">'
        '<button type="button" class="link" data-open="home" data-key="back">'
        f"{said(lang, 'desk_back')}</button>"
        f"<h2 tabindex=-1>{said(lang, 'admin_title')}</h2>"
        f"{_people(workspace, lang)}{_material(workspace, lang)}{_work(workspace, lang)}"
        f"{_practice(workspace, lang)}"
        f"<section><h3>{said(lang, 'admin_results')}</h3>"
        '<p><button type="button" data-open="cases" data-key="cases">'
        f"{said(lang, 'admin_cases')}</button> "
        '<button type="button" data-open="report" data-key="report">'
        f"{said(lang, 'admin_report')}</button></p></section></article>"
    )


# ---- people


def _people(workspace: Workspace, lang: Lang) -> str:
    standings = workspace.assignments.standings()
    heads = ("admin_member", "admin_practice", "admin_done", "admin_left", "admin_do")
    table = (
        _table("people", heads, [_person(one, lang) for one in standings], lang)
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
        f'<input name="label" maxlength="{LONGEST_LABEL}" data-key="invite-label"></label>'
        f'<label>{said(lang, "admin_role")}<select name="role">{roles}</select></label>'
        f'<button type="submit" data-key="invite">{said(lang, "admin_invite")}</button>'
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
        buttons.append(_sure("drop", "member", member.member, lang))
    if not member.revoked:
        buttons.append(_sure("sign-out", "member", member.member, lang))
        buttons.append(_sure("revoke", "member", member.member, lang))
    return (
        f"<tr><th>{name}<br><small>{said(lang, state)} · {escape(member.member)}</small>"
        f"{_naming(one, lang)}</th>"
        f"<td>{trained}</td><td>{one.done}</td><td>{one.left}</td><td>{''.join(buttons)}</td></tr>"
    )


def _naming(one: Standing, lang: Lang) -> str:
    """The way to call a member something else. One key for all of it: afterwards it is closed."""
    member, label = escape(one.member.member), said(lang, "admin_label")
    key = f'data-key="name-{member}"'
    return (
        f'<details class="naming"><summary {key}>{said(lang, "admin_name")}</summary>'
        f'<form data-do="name" data-member="{member}">'
        f'<input name="label" maxlength="{LONGEST_LABEL}" aria-label="{label}" '
        f'placeholder="{label}" value="{escape(one.member.label or "")}" {key}>'
        f'<button type="submit" {key}>{said(lang, "admin_name_save")}</button></form></details>'
    )


# ---- material


def _material(workspace: Workspace, lang: Lang) -> str:
    books = workspace.ledger.now()
    imports = workspace.material.imports()
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
        f"</form>{_imports(imports, books, lang)}</section>"
    )


def _imports(standings: list[ImportStanding], books: Books, lang: Lang) -> str:
    if not standings:
        return ""
    heads = (
        "admin_import_at", "admin_import_name", "admin_import_n", "admin_import_codings",
        "admin_import_verdicts", "admin_suggestions", "admin_do",
    )  # fmt: skip
    table = _table("imports", heads, [_import(one, books, lang) for one in standings], lang)
    return (
        f"<h4>{said(lang, 'admin_imports')}</h4>{table}"
        f'<p class="hint">{said(lang, "admin_suggestions_why")}</p>'
    )


def _import(one: ImportStanding, books: Books, lang: Lang) -> str:
    batch = one.batch
    name = escape(batch.file) if batch.file else said(lang, "admin_import_earlier")
    return (
        f"<tr><td>{batch.at:%Y-%m-%d %H:%M} UTC</td><th>{name}</th>"
        f"<td>{len(batch.dialogues)}</td><td>{one.codings}</td><td>{one.verdicts}</td>"
        f"<td>{_suggestions(batch, books, lang)}</td>"
        f"<td>{_sure('take-back', 'batch', batch.batch, lang)}</td></tr>"
    )


def _suggestions(batch: Import, books: Books, lang: Lang) -> str:
    """Whether a judge's codes may stand beside the form, and the way to change that."""
    if not may_take(books, batch):
        return said(lang, "admin_suggestions_never")
    allowed = batch.batch in books.suggestions_allowed
    n = sum(suggestion_for(books, dialogue) is not None for dialogue in batch.dialogues)
    told = f"{said(lang, 'admin_suggestions_n', n=n)} " if allowed else ""
    key = "admin_suggestions_forbid" if allowed else "admin_suggestions_allow"
    return (
        f'{told}<button type="button" data-do="suggestions" data-batch="{escape(batch.batch)}" '
        f'data-allowed="{"no" if allowed else "yes"}" '
        f'data-key="suggestions-{escape(batch.batch)}">{said(lang, key)}</button>'
    )


# ---- assignments and practice


def _work(workspace: Workspace, lang: Lang) -> str:
    books = workspace.ledger.now()
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
        f'<form data-do="assign" novalidate><label>{said(lang, "admin_task")}'
        f'<select name="task">{tasks}</select></label>'
        f"{_field('each', 2, lang)}{_field('doubled', 100, lang)}"
        f'<button type="submit" data-key="assign">{said(lang, "admin_assign")}</button>'
        f'</form><p class="hint">{said(lang, "admin_assign_why")}</p></section>'
    )


def _practice(workspace: Workspace, lang: Lang) -> str:
    bar = workspace.practice.bar()
    return (
        f"<section><h3>{said(lang, 'desk_practice')}</h3><form data-do='bar' novalidate>"
        f"{_field('share', round(100 * bar.share), lang)}"
        f"{_field('within', bar.globals_within, lang)}{_field('needed', bar.vignettes, lang)}"
        f'<button type="submit" data-key="bar">{said(lang, "admin_bar_save")}</button>'
        "</form></section>"
    )


# ---- pieces


def _table(kind: str, heads: tuple[str, ...], rows: list[str], lang: Lang) -> str:
    head = "".join(f"<th>{said(lang, key)}</th>" for key in heads)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _sure(do: str, name: str, value: str, lang: Lang) -> str:
    """A button that asks once more before it does what can't be taken back."""
    text = f"admin_{do.replace('-', '_')}"
    return (
        f'<button type="button" data-do="{do}" data-{name}="{escape(value)}" '
        f'data-sure="{said(lang, f"{text}_sure")}" data-key="{do}-{escape(value)}">'
        f"{said(lang, text)}</button>"
    )


def _field(name: str, value: int, lang: Lang) -> str:
    """The forms are not checked by the browser, whose words are not ours: the server says it."""
    number = NUMBERS[name]
    return (
        f'<label>{said(lang, number.label)}<input type="number" name="{name}" value="{value}" '
        f'min="{number.low}" max="{number.high}" step="1" data-key="field-{name}"></label>'
    )
