"""Review forms as HTML: a dialogue with its four scores, and a rewriting beside its source."""

from __future__ import annotations

from html import escape

from mi_arena.dialogue import Message
from mi_arena.records.payloads import MAX_REASON, MAX_TEXT
from mi_arena.records.review_events import MOST
from mi_arena.ui.desk.coding_view import plain_dialogue
from mi_arena.ui.texts import Lang, said, say
from mi_arena.workspace.review_forms import VERDICTS, editable
from mi_arena.workspace.reviews import ReviewView, SetForRater

BACK = "home"


def page(shown: ReviewView, lang: Lang) -> str:
    """One item. Of the item itself only its words and its opaque id are shown."""
    rating = shown.standing.task == "rating"
    again = "_again" if shown.revision else ""
    note = said(lang, "review_correcting" if shown.revision else "review_draft")
    later = (
        ""
        if shown.revision
        else f'<button type="button" data-do="later" data-key="later-{shown.item.item}">'
        f"{said(lang, 'review_later')}</button>"
    )
    # Named by the item: what comes next must not begin on its button.
    handing = (
        f'<div class="handing"><p class="hint">{note}</p>'
        f'<button type="submit" class="primary" data-key="give-{shown.item.item}">'
        f"{said(lang, f'review_give{again}')}</button> {later}</div>"
    )
    inside = _rating(shown, lang, handing) if rating else _rewrite(shown, lang) + handing
    return _article(
        shown.standing,
        lang,
        f"review_{shown.standing.task}_title",
        f"<p>{said(lang, 'review_left', n=shown.standing.left, given=_given(shown.standing))}</p>"
        + (
            f'<p class="note plain">{said(lang, "review_sensitive")}</p>'
            if shown.item.sensitive
            else ""
        )
        + f'<form data-do="give" data-keep="keep" class="review-form {shown.standing.task}">'
        f'<input type="hidden" name="known" value="{shown.revision}">{inside}</form>',
    )


def done_page(standing: SetForRater, lang: Lang) -> str:
    """Nothing is left of this set for its rater."""
    told = said(lang, "review_done", given=_given(standing))
    return _article(standing, lang, f"reviews_{standing.task}", f'<p class="note good">{told}</p>')


def _given(standing: SetForRater) -> int:
    return len(standing.given)


def _article(standing: SetForRater, lang: Lang, title: str, inside: str) -> str:
    mine = "".join(
        f'<li><button type="button" data-open="review:{standing.set}.{item}" '
        f'data-key="given-{item}">{said(lang, "review_given_one", number=number)}</button></li>'
        for number, item in enumerate(standing.given, 1)
    )
    given = (
        f'<details class="given"><summary>{said(lang, "review_given")}</summary><ol>{mine}</ol>'
        "</details>"
        if mine
        else ""
    )
    return (
        f'<article class="review"><button type="button" class="link" data-open="{BACK}" '
        f'data-key="back">{said(lang, "desk_back")}</button>'
        f"<h2 tabindex=-1>{said(lang, title)}</h2>{inside}{given}</article>"
    )


# ---- a rating


def _rating(shown: ReviewView, lang: Lang, handing: str) -> str:
    scores = "".join(
        f'<fieldset class="levels" data-digits><legend>{said(lang, f"rubric_{name}")} '
        f"<small>{said(lang, 'rubric_range', most=most)} · "
        f"{said(lang, f'rubric_{name}_asks')}</small></legend>"
        + "".join(
            _radio(shown, name, str(score), str(score), said(lang, f"rubric_{name}_{score}"))
            for score in range(most + 1)
        )
        + "</fieldset>"
        for name, most in MOST.items()
    )
    comment = escape(shown.filled.get("comment", ""))
    return (
        '<div class="reading"><section class="said" tabindex=0 '
        f'aria-label="{said(lang, "desk_dialogue")}">'
        f"{plain_dialogue(tuple(shown.item.messages), lang)}</section>"
        f'<div class="scores"><p class="hint">{said(lang, "rubric_rules")}</p>'
        f'<p class="hint keys">{said(lang, "review_keys")}</p>{scores}'
        f'<label class="wide">{said(lang, "review_comment")}<textarea name="comment" rows="2" '
        f'maxlength="{MAX_REASON}" data-key="comment">\n{comment}</textarea></label>'
        f"{handing}</div></div>"
    )


def _radio(shown: ReviewView, name: str, value: str, digit: str, text: str, then: str = "") -> str:
    checked = " checked" if shown.filled.get(name) == value else ""
    then = f' data-then="{then}"' if then else ""
    return (
        f'<label><input type="radio" name="{name}" value="{value}" data-digit="{digit}"{then} '
        f'data-key="{name}-{value}" required{checked}><span><kbd>{digit}</kbd>{text}</span></label>'
    )


# ---- a rewriting


def _rewrite(shown: ReviewView, lang: Lang) -> str:
    # Where each verdict goes on: to its reason, to the first turn that can be edited.
    then = {"rejected": "reason", "edited": "turn-0"}
    verdicts = "".join(
        _radio(
            shown,
            "verdict",
            verdict,
            str(number),
            said(lang, f"review_verdict_{verdict}"),
            then.get(verdict, ""),
        )
        for number, verdict in enumerate(VERDICTS, 1)
    )
    reason = escape(shown.filled.get("reason", ""))
    return (
        f'<div class="sides"><section><h3>{said(lang, "review_source")}</h3>'
        f"{plain_dialogue(tuple(shown.item.messages), lang)}</section>"
        f"<section><h3>{said(lang, 'review_rewritten')}</h3>"
        f'<div class="as-written">{plain_dialogue(shown.rewritten, lang)}</div>'
        f'<div class="as-edited"><p class="hint">{said(lang, "review_editing")}</p>'
        f"{_turns(shown, lang)}</div></section></div>"
        f'<fieldset class="levels" data-digits><legend>{said(lang, "review_verdict")}</legend>'
        f'<p class="hint keys">{said(lang, "review_rewrite_keys")}</p>{verdicts}</fieldset>'
        f'<label class="wide why">{said(lang, "review_reason")}<textarea name="reason" rows="2" '
        f'maxlength="{MAX_REASON}" data-key="reason">\n{reason}</textarea></label>'
    )


def _turns(shown: ReviewView, lang: Lang) -> str:
    """A field for every turn. The line end before a text is not part of it, as HTML has it."""
    return "".join(
        f'<label class="turn {message.role}"><span class="who">'
        f"{_who(message, number, lang)}</span>"
        f'<textarea name="{name}" rows="3" maxlength="{MAX_TEXT}" data-key="{name}">'
        f"\n{escape(shown.filled.get(name, message.content))}</textarea></label>"
        for number, (name, message) in enumerate(editable(shown.item), 1)
    )


def _who(message: Message, number: int, lang: Lang) -> str:
    return said(lang, "review_turn", who=say(lang, f"desk_{message.role}"), number=number)
