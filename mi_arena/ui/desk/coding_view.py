"""A dialogue and its MITI form as HTML, in parts that can be repainted one by one.

Nothing of system, pair or match comes in here: a ``Desk`` holds only what its rater may see.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Literal

from mi_arena.dialogue import Message, turns
from mi_arena.miti.check import Violation, violations
from mi_arena.miti.editing import LONGEST_GOAL, Sheet
from mi_arena.miti.items import CODES, GLOBALS, Code, GlobalItem, Score, items
from mi_arena.miti.rules import MOST_COUNT
from mi_arena.miti.suggesting import UNCODED, Hint
from mi_arena.miti.summary import THRESHOLDS, Summary, summarize
from mi_arena.ui.texts import Lang, said, say
from mi_arena.workspace.desk import Desk

Parts = dict[str, str]
_GOAL: Literal["change_goal_missing"] = "change_goal_missing"
"""Told beside its field."""


def page(
    desk: Desk,
    lang: Lang,
    title: str,
    back: str | None,
    *,
    beside: str = "",
    dialogue: bool = True,
) -> str:
    """The whole page. ``back``: the view to go back to. ``beside``: HTML above the form.

    Without ``dialogue`` where it stands on the page already.
    """
    parts = parts_of(desk, lang)
    quick = desk.sheet.form == "quick"
    return (
        f'<article class="coding {"quick" if quick else "full"}">'
        f"<header>{_back(back, lang)}<h2 tabindex=-1>{escape(title)}</h2>"
        f"{parts['goal']}{parts['goal-mark']}"
        f"{_form_choice(desk, lang)}</header>"
        f"{_beside_dialogue(desk, lang, parts) if dialogue else ''}"
        f'<section class="form" aria-label="{said(lang, "desk_form")}">{beside}'
        f"{parts['counts'] if quick else _codebar(lang, parts)}"
        f"{parts['problems']}{_globals(parts)}{parts['summary']}{parts['handing']}</section>"
        "</article>"
    )


def parts_of(desk: Desk, lang: Lang) -> Parts:
    """Everything of the page that a change may touch, by name."""
    sheet = desk.sheet
    coding = sheet.coding
    found = violations(coding, lang)
    summary = summarize(coding, lang)
    parts = {f"global-{item.key}": _global(item, desk, lang) for item in items().globals}
    parts |= {
        "summary": _summary(summary, lang),
        "problems": _problems(found, lang),
        "handing": _handing(desk, lang),
        "goal": _goal(desk, lang),
        "goal-mark": _goal_mark(sheet, lang),
    }
    if sheet.form == "quick":
        parts["counts"] = _counts(desk, lang)
        return parts
    broken: dict[int, list[Violation]] = {}
    for one in found:
        if one.volley is not None:
            broken.setdefault(one.volley - 1, []).append(one)
    parts["tools"] = _tools(desk, lang)
    suggested = desk.hints
    for number, volley in enumerate(sheet.volleys):
        hints = suggested[number] if suggested else (None,) * len(volley)
        parts[f"volley-{number}"] = _volley(desk, number, broken.get(number, []), hints, lang)
    return parts


def changed_parts(before: Desk, after: Desk, lang: Lang) -> Parts:
    """The parts that look different after a change."""
    old = parts_of(before, lang)
    return {name: html for name, html in parts_of(after, lang).items() if old.get(name) != html}


def plain_dialogue(messages: tuple[Message, ...], lang: Lang) -> str:
    """A dialogue to be read only."""
    return "".join(_turn(role, text, lang) for role, text in turns(messages))


# ---- the dialogue


def _beside_dialogue(desk: Desk, lang: Lang, parts: Parts) -> str:
    return (
        f'<section class="dialogue" aria-label="{said(lang, "desk_dialogue")}">'
        f"{_dialogue(desk, lang, parts)}</section>"
    )


def _dialogue(desk: Desk, lang: Lang, parts: Parts) -> str:
    if desk.sheet.form == "quick":
        return plain_dialogue(desk.job.messages, lang)
    html, volley = [], 0
    for role, text in turns(desk.job.messages):
        if role == "counselor":
            html.append(parts[f"volley-{volley}"])
            volley += 1
        else:
            html.append(_turn(role, text, lang))
    return "".join(html)


def _turn(role: str, text: str, lang: Lang) -> str:
    who = said(lang, f"desk_{role}")
    return f'<div class="turn {role}"><span class="who">{who}</span><p>{escape(text)}</p></div>'


def _volley(
    desk: Desk, number: int, broken: list[Violation], hints: Sequence[Hint | None], lang: Lang
) -> str:
    volley = desk.sheet.volleys[number]
    name = say(lang, "desk_volley", number=number + 1)
    bad = {one.utterance for one in broken}
    utterances = "".join(
        _utterance(desk, number, place, place + 1 in bad, hints[place], lang)
        for place in range(len(volley))
    )
    lines = "".join(_violation(one) for one in broken)
    return (
        f'<div class="turn counselor" data-part="volley-{number}">'
        f'<span class="who">{escape(name)}</span>'
        f'<div class="utterances" role="listbox" aria-label="{escape(name)}">{utterances}</div>'
        f"{lines}</div>"
    )


def _utterance(
    desk: Desk, number: int, place: int, bad: bool, hint: Hint | None, lang: Lang
) -> str:
    one = desk.sheet.volleys[number][place]
    name = items().name(one.code).of(lang) if one.code else say(lang, "desk_no_code")
    fixed = "" if desk.job.can_cut else " data-fixed=1"
    return (
        f'<div class="utterance{" bad" if bad else ""}" role="option" '
        f'tabindex="-1" aria-selected="false" data-key="u-{number}-{place}" '
        f'data-volley="{number}" data-utterance="{place}" '
        f'data-code="{one.code or ""}" data-text="{escape(one.text)}"{fixed}{_hinted(hint)}>'
        f'<span class="words">{escape(one.text)}</span>{_hint(one.code, hint, lang)}'
        f'<span class="code c-{one.code or "none"}">{escape(name)}</span></div>'
    )


def _hinted(hint: Hint | None) -> str:
    return "" if hint is None else f' data-hint="{"" if hint == UNCODED else hint}"'


def _hint(code: Code | None, hint: Hint | None, lang: Lang) -> str:
    """What is suggested; nothing once it is the utterance's code."""
    if hint is None or hint == code:
        return ""
    name = say(lang, "desk_no_code") if hint == UNCODED else items().name(hint).of(lang)
    return f'<span class="hinted">{escape(say(lang, "desk_suggested", code=name))}</span>'


def _violation(one: Violation) -> str:
    return f'<p class="violation {one.severity}">{escape(one.message)} <b>{escape(one.fix)}</b></p>'


# ---- the form


def _back(back: str | None, lang: Lang) -> str:
    if back is None:
        return ""
    return (
        f'<button type="button" class="link" data-open="{escape(back)}" data-key="back">'
        f"{said(lang, 'desk_back')}</button>"
    )


def _goal(desk: Desk, lang: Lang) -> str:
    sheet = desk.sheet
    return (
        f'<label class="goal" data-part="goal"><span>{said(lang, "desk_goal")}</span>'
        f'<input type="text" data-goal data-key="goal" maxlength="{LONGEST_GOAL}" '
        f'value="{escape(sheet.change_goal)}" placeholder="{said(lang, "desk_goal_hint")}">'
        "</label>"
    )


def _goal_mark(sheet: Sheet, lang: Lang) -> str:
    missing = "" if sheet.change_goal.strip() else said(lang, "desk_goal_missing")
    return f'<p class="hint" data-part="goal-mark">{missing}</p>'


def _form_choice(desk: Desk, lang: Lang) -> str:
    if not desk.job.can_choose_form:
        return ""
    radios = "".join(
        f'<label><input type="radio" name="form-{_page_name(desk)}" data-form '
        f'data-key="form-{form}" value="{form}"{_checked(desk.sheet.form == form)}>'
        f"{said(lang, f'desk_form_{form}')}</label>"
        for form in ("full", "quick")
    )
    return (
        f'<fieldset class="choice"><legend>{said(lang, "desk_form_kind")}</legend>{radios}'
        f'</fieldset><p class="kept">{escape(kept_told(desk.sheet, lang))}</p>'
    )


def kept_told(sheet: Sheet, lang: Lang) -> str:
    """That what was filled in the other way is still there; nothing where there is none."""
    if sheet.form == "quick":
        kept = any(one.code for volley in sheet.volleys for one in volley)
    else:
        kept = any(count is not None for count in sheet.counts.values())
    return say(lang, f"desk_kept_{sheet.form}") if kept else ""


def _codebar(lang: Lang, parts: Parts) -> str:
    return f'<div class="codebar">{_palette(lang)}{parts["tools"]}</div>{_definitions(lang)}'


def _palette(lang: Lang) -> str:
    chips = "".join(
        f'<button type="button" class="chip c-{item.code}" data-code="{item.code}" '
        f'data-letter="{item.key.lower()}" data-key="chip-{item.code}" aria-pressed="false" '
        f'title="{escape(item.definition.of(lang))}"><kbd>{item.key}</kbd>'
        f"{escape(item.name.of(lang))}</button>"
        for item in items().codes
    )
    none = (
        '<button type="button" class="chip" data-code="" data-letter="0" data-key="chip-none" '
        f'aria-pressed="false"><kbd>0</kbd>{said(lang, "desk_no_code")}</button>'
    )
    return (
        f'<div class="palette" role="group" aria-label="{said(lang, "desk_codes")}">{chips}{none}'
        "</div>"
    )


def _definitions(lang: Lang) -> str:
    rows = "".join(
        f"<dt>{escape(item.name.of(lang))} <kbd>{item.key}</kbd></dt>"
        f"<dd>{escape(item.definition.of(lang))} "
        f"<i>{said(lang, 'desk_example')}{escape(item.example.of(lang))}</i></dd>"
        for item in items().codes
    )
    return (
        f'<details class="help"><summary>{said(lang, "desk_definitions")}</summary>'
        f"<p>{said(lang, 'desk_keys')}</p><dl>{rows}</dl></details>"
    )


def _tools(desk: Desk, lang: Lang) -> str:
    def tool(name: str, key: str, label: str = "", off: bool = False) -> str:
        return (
            f'<button type="button" class="tool" data-tool="{name}" data-key="tool-{name}"'
            f"{' disabled' if off else ''}><kbd>{key}</kbd>"
            f"{label or said(lang, f'desk_tool_{name}')}</button>"
        )

    fixed = not desk.job.can_cut
    cut = "" if fixed else tool("split", "/") + tool("merge", "M")
    accept = tool("accept", "Y") if desk.job.suggestion is not None else ""
    cutting = "".join(
        tool(name, key)
        for name, key in (
            ("cut-left", "←"), ("cut-right", "→"), ("cut-here", "↵"), ("cut-not", "Esc"),
        )
    )  # fmt: skip
    uncoded = sum(one.code is None for volley in desk.sheet.volleys for one in volley)
    left = said(lang, "desk_tool_next", n=uncoded) if uncoded else said(lang, "desk_all_coded")
    return (
        f'<div class="tools" data-part="tools">{accept}{cut}'
        f"{tool('undo', 'U', off=not desk.sheet.undo)}{tool('next', 'N', left, uncoded == 0)}"
        f'<div class="cut-tools" hidden>{cutting}</div></div>'
    )


def _globals(parts: Parts) -> str:
    return "".join(parts[f"global-{key}"] for key in GLOBALS)


def _global(item: GlobalItem, desk: Desk, lang: Lang) -> str:
    value = desk.sheet.globals[item.key]
    name = f"{_page_name(desk)}-{item.key}"
    radios = "".join(
        f'<label><input type="radio" name="{name}" '
        f'data-global="{item.key}" data-key="global-{item.key}-{score}" value="{score}"'
        f"{_checked(score == value)}>{score}</label>"
        for score in range(1, 6)
    )
    anchors = "".join(f"<li>{escape(anchor.of(lang))}</li>" for anchor in item.anchors)
    unchosen = item.key in desk.unchosen
    label, mark = escape(item.name.of(lang)), ""
    if unchosen:
        told = said(lang, "desk_unchosen")
        label, mark = f"{label} · {told}", f' <span class="unchosen-mark">{told}</span>'
    return (
        f'<div class="global{" unchosen" if unchosen else ""}" role="radiogroup" '
        f'data-part="global-{item.key}" aria-label="{label}">'
        f"<b>{escape(item.name.of(lang))}{mark}</b>"
        f'<div class="scale">{radios}</div>'
        f'<p class="anchor">{escape(item.anchors[value - 1].of(lang))}</p>'
        f"<details><summary>{said(lang, 'desk_anchors')}</summary>"
        f"<p>{escape(item.hint.of(lang))}</p><ol>{anchors}</ol></details></div>"
    )


def _counts(desk: Desk, lang: Lang) -> str:
    rows = "".join(_count(code, desk, lang) for code in CODES)
    return (
        f'<fieldset class="counts" data-part="counts"><legend>{said(lang, "desk_counts")}'
        f"</legend>{rows}</fieldset>{_definitions(lang)}"
    )


def _count(code: Code, desk: Desk, lang: Lang) -> str:
    value, id_ = desk.sheet.counts[code], f"{_page_name(desk)}-{code}"
    name = escape(items().name(code).of(lang))
    shown = "" if value is None else value

    def step(by: int, sign: str) -> str:
        label = escape(say(lang, "desk_more" if by > 0 else "desk_less"))
        return (
            f'<button type="button" data-step="{by}" data-count="{code}" '
            f'data-key="step-{code}-{by}" aria-label="{name}: {label}">{sign}</button>'
        )

    return (
        f'<div class="count"><label for="{id_}">{name}</label>{step(-1, "−")}'
        f'<input type="number" id="{id_}" min="0" max="{MOST_COUNT}" step="1" inputmode="numeric" '
        f'data-count="{code}" data-key="count-{code}" value="{shown}">{step(1, "+")}</div>'
    )


def _problems(found: list[Violation], lang: Lang) -> str:
    whole = "".join(_violation(one) for one in found if one.volley is None and one.rule != _GOAL)
    some = any(one.rule != _GOAL for one in found)
    return (
        f'<div class="problems {"some" if some else "none"}" data-part="problems">'
        f"<p>{escape(problems_told(found, lang))}</p>{whole}</div>"
    )


def problems_told(found: list[Violation], lang: Lang) -> str:
    """In one sentence, how much breaks a rule and how much is worth another look."""
    counted = Counter(one.severity for one in found if one.rule != _GOAL)
    if not counted:
        return say(lang, "desk_no_problems")
    kinds = [kind for kind in ("error", "warning") if counted[kind]]
    key = "desk_problems" if len(kinds) == 2 else f"desk_problems_{kinds[0]}"
    return say(lang, key, n=counted["error"], warnings=counted["warning"])


def _summary(summary: Summary, lang: Lang) -> str:
    n = say(lang, "desk_n", volleys=summary.n_volleys) if summary.n_volleys is not None else ""
    rows = "".join(_score_row(name, summary, lang) for name in items().scores)
    return (
        f'<table class="summary" data-part="summary"><caption>{said(lang, "desk_summary")} '
        f"{escape(n)}</caption><tbody>{rows}</tbody></table>"
    )


def _score_row(name: Score, summary: Summary, lang: Lang) -> str:
    label = escape(items().scores[name].of(lang))
    value = getattr(summary, name)
    if value is None:
        reason = escape(summary.undefined.get(name, ""))
        return f'<tr><th>{label}</th><td>–</td><td class="hint">{reason}</td></tr>'
    # Rounded down: 39.96 must not read 40 beside "below 40".
    shown = str(value) if isinstance(value, int) else f"{math.floor(value * 100) / 100:g}"
    if name == "percent_cr":
        shown += " %"
    threshold, level = THRESHOLDS.get(name), summary.thresholds.get(name)
    told = ""
    if threshold is not None and level is not None:
        limit = threshold.good if level == "good" else threshold.fair
        told = say(lang, f"desk_level_{level}", limit=f"{limit:g}")
    return (
        f"<tr><th>{label}</th><td>{shown}</td>"
        f'<td class="level {level or ""}">{escape(told)}</td></tr>'
    )


def _handing(desk: Desk, lang: Lang) -> str:
    if desk.revision and not desk.changed:
        told = say(lang, "desk_handed_in", revision=desk.revision)
        button = ""
    else:
        told = say(lang, "desk_correcting" if desk.revision else "desk_draft")
        name = "desk_hand_in_again" if desk.revision else "desk_hand_in"
        reason = ""
        if desk.job.kind == "final":
            reason = (
                f"<label>{said(lang, 'desk_reason')}"
                '<textarea name="reason" rows="2" maxlength="2000" data-key="reason"></textarea>'
                "</label>"
            )
        button = (
            f'<form data-do="submit">{reason}<button type="submit" class="primary" '
            f'data-key="submit">{said(lang, name)}</button></form>'
        )
    return f'<div class="handing" data-part="handing"><p class="hint">{told}</p>{button}</div>'


def _page_name(desk: Desk) -> str:
    """Tells this form from another on the same page; says nothing of the record behind it."""
    return f"{desk.job.kind}{desk.job.side or ''}"


def _checked(yes: bool) -> str:
    return " checked" if yes else ""
