"""``cases`` and ``case:DIALOGUE``: where coders differ, side by side, and the way to settle it."""

from __future__ import annotations

from html import escape

from mi_arena.access.guard import require
from mi_arena.battles.refusal import Refused
from mi_arena.dialogue import turns
from mi_arena.miti.alignment import AlignedVolley, Segment, globals_apart
from mi_arena.miti.items import CODES, Code, items
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.texts import Lang, said, say
from mi_arena.workspace.adjudication import Compared
from mi_arena.workspace.workspace import Workspace


class CasesRoom:
    """The dialogues with two or more codings; for admins."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def open(self, call: Call) -> Answer:
        require(call.who, "admin")
        lang = call.lang
        rows = []
        for number, case in enumerate(self.workspace.adjudication.cases(), 1):
            differing = (
                say(lang, "cases_totals")
                if case.differing is None
                else say(lang, "cases_differing", n=case.differing)
            )
            state = "done" if case.final else "new"
            view = f"case:{case.dialogue}"
            name = say(lang, "cases_item", number=number, coders=case.coders)
            rows.append(
                f'<li><button type="button" data-open="{view}" data-key="{view}">{escape(name)} · '
                f'{escape(differing)}<span class="state {state}">'
                f"{escape(say(lang, f'cases_{state}'))}</span></button></li>"
            )
        listed = f"<ol>{''.join(rows)}</ol>" if rows else f"<p>{said(lang, 'cases_none')}</p>"
        html = (
            '<article class="cases"><button type="button" class="link" data-open="admin" '
            f'data-key="back">{said(lang, "desk_back")}</button>'
            f"<h2 tabindex=-1>{said(lang, 'admin_cases')}</h2>{listed}</article>"
        )
        return Answer(html=html, view="cases")

    def act(self, call: Call) -> Answer:
        require(call.who, "admin")
        raise Refused("no_work")


class CaseRoom:
    """One dialogue with its codings; for admins. Coders are numbers: nobody judges a name."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def open(self, call: Call) -> Answer:
        require(call.who, "admin")
        compared = self.workspace.adjudication.compare(call.argument)
        return Answer(html=_page(compared, call.lang), view=f"case:{call.argument}")

    def act(self, call: Call) -> Answer:
        require(call.who, "admin")
        raise Refused("no_work")


def _page(compared: Compared, lang: Lang) -> str:
    volleys = (
        _dialogue(compared, compared.volleys, lang)
        if compared.volleys is not None
        else f"<p>{said(lang, 'cases_totals')}</p>{_counts(compared, lang)}"
    )
    reason = ""
    if compared.reason is not None:
        reason = f'<p class="note good">{escape(say(lang, "cases_final", why=compared.reason))}</p>'
    goals = "".join(f"<li>{escape(coding.change_goal or '–')}</li>" for coding in compared.codings)
    return (
        '<article class="case"><button type="button" class="link" data-open="cases" '
        f'data-key="back">{said(lang, "desk_back")}</button>'
        f"<h2 tabindex=-1>{said(lang, 'cases_title')}</h2>{reason}"
        f'<p><button type="button" class="primary" data-open="final:{escape(compared.dialogue)}" '
        f'data-key="final">{said(lang, "cases_open_final")}</button></p>'
        f"<h3>{said(lang, 'cases_goals')}</h3><ol>{goals}</ol>{globals_html(compared, lang)}"
        f"{volleys}</article>"
    )


def _heads(compared: Compared, lang: Lang) -> str:
    return "".join(
        f"<th>{escape(say(lang, 'cases_coder', number=number))}</th>"
        for number in range(1, len(compared.codings) + 1)
    )


def globals_html(compared: Compared, lang: Lang) -> str:
    """Every coder's globals beside each other, with those marked on which they differ."""
    rows = []
    for one in globals_apart(compared.codings):
        differs = " class=differs" if one.spread else ""
        cells = "".join(f"<td>{'–' if v is None else v}</td>" for v in one.values)
        name = escape(items().name(one.key).of(lang))
        rows.append(f"<tr{differs}><th>{name}</th>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="compare"><thead><tr><th></th>{_heads(compared, lang)}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _counts(compared: Compared, lang: Lang) -> str:
    rows = []
    for code in CODES:
        values = [(coding.counts or {}).get(code) for coding in compared.codings]
        differs = " class=differs" if len(set(values)) > 1 else ""
        cells = "".join(f"<td>{'–' if value is None else value}</td>" for value in values)
        rows.append(f"<tr{differs}><th>{_code(code, lang)}</th>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="compare"><tbody>{"".join(rows)}</tbody></table></div>'
    )


def codes_html(compared: Compared, lang: Lang) -> str:
    """Every coder's codes beside each other, segment by segment; or counts where that's all."""
    if compared.volleys is None:
        return _counts(compared, lang)
    return _dialogue(compared, compared.volleys, lang)


def _dialogue(compared: Compared, volleys: tuple[AlignedVolley, ...], lang: Lang) -> str:
    rows, at = [], 0
    width = len(compared.codings) + 1
    for role, text in turns(compared.messages):
        if role == "counselor":
            rows += [_segment(segment, lang) for segment in volleys[at].segments]
            at += 1
        else:
            rows.append(f'<tr class="client"><td colspan="{width}">{escape(text)}</td></tr>')
    return (
        f'<div class="scroll"><table class="compare"><thead><tr><th></th>{_heads(compared, lang)}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _segment(segment: Segment, lang: Lang) -> str:
    cells = "".join(f"<td>{_code(code, lang)}</td>" for code in segment.codes)
    differs = "" if segment.agree else " class=differs"
    return f"<tr{differs}><th>{escape(segment.text)}</th>{cells}</tr>"


def _code(code: Code | None, lang: Lang) -> str:
    name = items().name(code).of(lang) if code else say(lang, "desk_no_code")
    return f'<span class="code c-{code or "none"}">{escape(name)}</span>'
