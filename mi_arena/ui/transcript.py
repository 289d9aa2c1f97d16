"""A battle as HTML: every text escaped, both sides beside each other, one round after another."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

from mi_arena.battles.state import SIDES
from mi_arena.battles.view import BattleView, ReplyView, RoundView
from mi_arena.safety.help import HelpLine
from mi_arena.ui.texts import Lang, say, sentences


def rounds_html(rounds: Iterable[RoundView], lang: Lang) -> str:
    """Client turns and replies; text is shown as it was written, never as markup."""
    return "".join(_round(r, lang) for r in rounds)


def status_text(view: BattleView | None, rounds_to_judge: int, lang: Lang) -> str:
    """The one sentence a screen reader is told when something changed."""
    if view is None:
        return ""
    if view.waiting is not None and view.waiting.place is not None:
        return say(lang, "queued", place=view.waiting.place)
    if view.waiting is not None and view.waiting.loading:
        return say(lang, "loading")
    if view.away and view.phase == "interrupted":
        return say(lang, "away_interrupted")
    words = _phase_text(view, rounds_to_judge, lang)
    away = say(lang, "away") if view.away and view.phase == "open" else ""
    return sentences(lang, *filter(None, (words, away)))


def _phase_text(view: BattleView, rounds_to_judge: int, lang: Lang) -> str:
    match view.phase:
        case "answering":
            return say(lang, "answering")
        case "open" if view.can_judge:
            return sentences(lang, say(lang, "answered"), say(lang, "may_judge"))
        case "open" if view.complete_rounds:
            left = rounds_to_judge - view.complete_rounds
            return sentences(lang, say(lang, "answered"), say(lang, "more_rounds", rounds=left))
        case "interrupted" if view.withheld:
            return say(lang, "withheld")
        case "ended" if view.withheld:
            return say(lang, "withheld_ended")
        case "ended" if view.minor:
            return ""
        case "interrupted" | "unsaved" | "ended":
            return say(lang, view.phase)
    return ""


def crisis_html(lines: Iterable[HelpLine], lang: Lang, *, danger: bool, minor: bool) -> str:
    """The help that takes the conversation's place: where there are signs of danger, for somebody
    under age, or both. Numbers first; they must be on the first screen of a phone."""
    title = "crisis_title" if danger else "minor_title"
    why = [name for name, so in (("crisis_lead", danger), ("minor_lead", minor)) if so]
    leads = "".join(f"<p>{escape(say(lang, name))}</p>" for name in why)
    return (
        f'<section class="crisis" role="alert" tabindex="-1" data-scroll>'
        f"<h2>{escape(say(lang, title))}</h2>{help_list_html(lines, lang)}{leads}</section>"
    )


def help_list_html(lines: Iterable[HelpLine], lang: Lang) -> str:
    rows = "".join(f"<li>{_help_line(line, lang)}</li>" for line in lines)
    return f'<ul class="help">{rows}</ul>'


def note_html(text: str, kind: str) -> str:
    """A message beside what was done; ``kind`` is ``good`` or ``bad``."""
    if not text:
        return ""
    role = "alert" if kind == "bad" else "status"
    return f'<p class="note {kind}" role="{role}">{escape(text)}</p>'


def _round(r: RoundView, lang: Lang) -> str:
    sides = ""
    if r.too_long:
        sides = f'<p class="note plain">{escape(say(lang, "too_long_turn"))}</p>'
    elif r.replies is not None:
        sides = "".join(_side(side, r.replies[side], lang) for side in SIDES)
        sides = f'<div class="sides">{sides}</div>'
    return (
        f'<section class="round" aria-label="{escape(say(lang, "round", number=r.number))}">'
        f'<div class="client"><span class="who">{escape(say(lang, "you"))}</span>'
        f"{_text(r.client)}</div>{sides}</section>"
    )


def _side(side: str, reply: ReplyView, lang: Lang) -> str:
    name = escape(say(lang, "side", side=side))
    going = reply.end is None
    note = ""
    if reply.end in ("cancelled", "error"):
        note = say(lang, "stopped")
    elif reply.end == "length":
        note = say(lang, "cut_off")
    elif reply.end == "stop" and not reply.text:
        note = say(lang, "empty_reply")
    mark = f'<span class="mark">{escape(note)}</span>' if note else ""
    dots = '<span class="dots" aria-hidden="true">●●●</span>' if going and not reply.text else ""
    return (
        f'<article class="side side-{side.lower()}" data-testid="side-{side}" '
        f'aria-busy="{"true" if going else "false"}"><h3>{name}</h3>'
        f"{_text(reply.text)}{dots}{mark}</article>"
    )


def _text(text: str) -> str:
    return f'<p class="said">{escape(text)}</p>' if text else ""


def _help_line(line: HelpLine, lang: Lang) -> str:
    words = escape(line.zh if lang == "zh" else line.en)
    if line.phone:
        call = escape(say(lang, "call", phone=line.phone))
        return f'<a class="call" href="tel:{escape(line.phone)}">{call}</a><span>{words}</span>'
    if line.url:
        name = escape(urlsplit(line.url).netloc)
        link = f'<a href="{escape(line.url)}" target="_blank" rel="noopener">{name}</a>'
        return f"<span>{words.replace(name, link)}</span>"
    return f"<span>{words}</span>"
