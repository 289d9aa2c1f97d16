"""What practice came to: every utterance with the known code, the given one, and why."""

from __future__ import annotations

from html import escape
from itertools import groupby

from mi_arena.dialogue import turns
from mi_arena.miti.items import Code, items
from mi_arena.miti.practice import Mark, Score
from mi_arena.miti.vignettes import Vignette
from mi_arena.ui.texts import Lang, say
from mi_arena.workspace.practising import Progress


def result_html(number: int, vignette: Vignette, score: Score, stands: Progress, lang: Lang) -> str:
    """The page of an exercise that is done."""
    passed = say(lang, "desk_practice_passed" if score.passed else "desk_practice_failed")
    lead = say(
        lang,
        "desk_practice_share",
        equal=score.equal,
        n=score.n,
        share=int(100 * score.share),  # down: 69.6 must not read 70 beside "70 needed"
        bar=round(100 * score.bar.share),
    )
    onward = "home"
    label = say(lang, "desk_back")
    if not stands.trained and stands.next is not None:
        onward, label = f"practice:{stands.next}", say(lang, "desk_next_exercise")
    return (
        f'<article class="practised"><h2 tabindex=-1>'
        f"{escape(say(lang, 'desk_exercise', number=number))}</h2>"
        f'<p class="note {"good" if score.passed else "bad"}" role="status">{escape(passed)} '
        f"{escape(lead)}</p>{_standing(stands, lang)}{_globals(score, lang)}"
        f"{_dialogue(vignette, score, lang)}"
        f'<button type="button" class="primary" data-open="{onward}" data-key="onward">'
        f"{escape(label)}</button></article>"
    )


def _standing(stands: Progress, lang: Lang) -> str:
    key = "desk_trained" if stands.trained else "desk_practice_left"
    told = say(lang, key, passed=stands.passed, needed=stands.needed)
    return f"<p>{escape(told)}</p>"


def _globals(score: Score, lang: Lang) -> str:
    rows = []
    for key, apart in score.globals.items():
        told = "–" if apart is None else say(lang, "desk_equal") if apart == 0 else f"{apart:+d}"
        bad = apart is None or abs(apart) > score.bar.globals_within
        rows.append(
            f"<tr{' class=differs' if bad else ''}><th>{escape(items().name(key).of(lang))}</th>"
            f"<td>{escape(told)}</td></tr>"
        )
    return (
        f'<table class="summary"><caption>{escape(say(lang, "desk_globals_apart"))}</caption>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _dialogue(vignette: Vignette, score: Score, lang: Lang) -> str:
    by_volley = {
        volley: list(marks) for volley, marks in groupby(score.marks, key=lambda mark: mark.volley)
    }
    html, volley = [], 0
    for role, text in turns(vignette.messages):
        who = escape(say(lang, f"desk_{role}"))
        if role == "counselor":
            volley += 1
            said = "".join(_mark(mark, lang) for mark in by_volley.get(volley, []))
        else:
            said = f"<p>{escape(text)}</p>"
        html.append(f'<div class="turn {role}"><span class="who">{who}</span>{said}</div>')
    return "".join(html)


def _mark(mark: Mark, lang: Lang) -> str:
    if mark.equal:
        told = f'<span class="code c-{mark.known or "none"}">{_name(mark.known, lang)}</span>'
    else:
        pair = say(lang, "desk_known_given", known=_plain(mark.known, lang),
                   given=_plain(mark.given, lang))  # fmt: skip
        why = mark.why.of(lang) if mark.why is not None else ""
        told = f'<p class="violation error">{escape(pair)} {escape(why)}</p>'
    kind = "" if mark.equal else " bad"
    return f'<div class="marked{kind}"><span class="words">{escape(mark.text)}</span>{told}</div>'


def _plain(code: Code | None, lang: Lang) -> str:
    return items().name(code).of(lang) if code else say(lang, "desk_no_code")


def _name(code: Code | None, lang: Lang) -> str:
    return escape(_plain(code, lang))
