"""``match:ASSIGNMENT``: two dialogues with the same client side by side, and the judgement form."""

from __future__ import annotations

from html import escape

from mi_arena.access.guard import require
from mi_arena.battles.form import (
    CONFIDENCE,
    GUESSES,
    OVERALL,
    POINTS,
    REASON_LIMIT,
    SCALE,
    answers_of,
)
from mi_arena.battles.refusal import Refused
from mi_arena.battles.state import SIDES
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.desk.coding_view import plain_dialogue
from mi_arena.ui.texts import Lang, said, say
from mi_arena.ui.transcript import note_html
from mi_arena.workspace.matches import MatchView
from mi_arena.workspace.workspace import Workspace

FIELDS = ("overall", *POINTS, "reason", "guess", "confidence")
"""The names of the form's fields, by which a draft keeps their values."""


class MatchRoom:
    """For experts; nothing is revealed here, before or after."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def open(self, call: Call) -> Answer:
        require(call.who, "expert")
        shown = self.workspace.matches.open(call.who, call.argument)
        view = f"match:{call.argument}"
        return Answer(html=_page(shown, call.lang), version=shown.version, view=view)

    def act(self, call: Call) -> Answer:
        require(call.who, "expert")
        fields = call.sent.get("fields")
        if call.do not in ("judge", "keep") or not isinstance(fields, dict):
            raise Refused("no_work")
        if call.do == "keep":
            filled = {name: str(fields[name]) for name in FIELDS if fields.get(name)}
            version = self.workspace.matches.keep(call.who, call.argument, call.version, filled)
            return Answer(version=version, note="")
        reason = str(fields.get("reason") or "")[:REASON_LIMIT]
        answers = answers_of({**fields, "reason": reason})
        self.workspace.matches.judge(call.who, call.argument, answers)
        answer = self.open(call)
        answer.note = note_html(say(call.lang, "desk_match_thanks"), "good")
        return answer


def _page(shown: MatchView, lang: Lang) -> str:
    sides = "".join(
        f'<section class="side side-{side.lower()}" aria-label="{said(lang, "side", side=side)}">'
        f"<h3>{said(lang, 'side', side=side)}</h3>{plain_dialogue(shown.sides[side], lang)}"
        "</section>"
        for side in SIDES
    )
    form = _form(shown, lang) if shown.verdict is None else _verdict(shown, lang)
    return (
        '<article class="match"><button type="button" class="link" data-open="home" '
        f'data-key="back">{said(lang, "desk_back")}</button>'
        f"<h2 tabindex=-1>{said(lang, 'desk_match_title')}</h2>"
        f'<div class="sides">{sides}</div>{form}</article>'
    )


def _form(shown: MatchView, lang: Lang) -> str:
    """The form, filled as far as it was left."""
    kept = shown.draft

    def radios(name: str, values: tuple[str, ...], prefix: str, required: bool = False) -> str:
        return "".join(
            f'<label><input type="radio" name="{name}" value="{value}" '
            f'data-key="{name}-{value}"{" required" if required else ""}'
            f"{' checked' if kept.get(name) == value else ''}>"
            f"{said(lang, f'{prefix}_{value}')}</label>"
            for value in values
        )

    def field(legend: str, inside: str) -> str:
        return f'<fieldset class="choice"><legend>{said(lang, legend)}</legend>{inside}</fieldset>'

    points = "".join(field(f"point_{name}", radios(name, SCALE, "point")) for name in POINTS)
    opened = " open" if kept.keys() & {*POINTS, "reason"} else ""
    confidence = field("confidence", radios("confidence", CONFIDENCE, "confidence"))
    return (
        f'<form data-do="judge" data-keep="keep" class="judge">'
        f"{field('overall', radios('overall', OVERALL, 'overall', True))}"
        f"<details{opened}><summary>{said(lang, 'points')}</summary>{points}"
        f"<label>{said(lang, 'reason')}"
        f'<textarea name="reason" rows="2" maxlength="{REASON_LIMIT}" data-key="reason">'
        f"{escape(kept.get('reason', ''))}</textarea></label></details>"
        f"{field('guess', radios('guess', GUESSES, 'guess'))}{confidence}"
        f'<p class="hint">{said(lang, "desk_match_draft")}</p>'
        f'<button type="submit" class="primary" data-key="judge">{said(lang, "submit")}</button>'
        "</form>"
    )


def _verdict(shown: MatchView, lang: Lang) -> str:
    assert shown.verdict is not None
    overall = say(lang, f"overall_{shown.verdict.overall}")
    return note_html(say(lang, "desk_match_judged", overall=overall), "good")
