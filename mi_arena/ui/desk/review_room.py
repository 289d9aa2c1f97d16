"""``review:SET`` and ``review:SET.ITEM``: an expert rates a dialogue, or reviews a rewriting."""

from __future__ import annotations

from mi_arena.access.guard import require
from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Refused
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.desk.review_view import done_page, page
from mi_arena.ui.texts import Lang, said, say
from mi_arena.ui.transcript import note_html
from mi_arena.workspace.reviews import Reviews
from mi_arena.workspace.workspace import Workspace


class ReviewRoom:
    """For experts; nothing they are sent says where a dialogue is from."""

    def __init__(self, workspace: Workspace):
        self._reviews = workspace.reviews

    def open(self, call: Call) -> Answer:
        require(call.who, "expert")
        set_, _, item = call.argument.partition(".")
        return self._item(call, set_, item) if item else self._next(call, set_)

    def act(self, call: Call) -> Answer:
        require(call.who, "expert")
        set_, _, item = call.argument.partition(".")
        sent = call.sent.get("fields")
        fields = sent if isinstance(sent, dict) else {}
        reviews = self._reviews
        if call.do == "keep":
            version = reviews.keep(call.who, set_, item, call.version, fields)
            return Answer(version=version, note="")
        if call.do == "later":
            filled = reviews.open(call.who, set_, item).filled
            reviews.keep(call.who, set_, item, call.version, filled, later=True)
            return self._next(call, set_, "review_put_off")
        if call.do == "give":
            reviews.give(call.who, set_, item, _whole(fields.get("known")), fields)
            return self._next(call, set_, "review_thanks")
        raise Refused("no_work")

    def _item(self, call: Call, set_: str, item: str) -> Answer:
        shown = self._reviews.open(call.who, set_, item)
        html = page(shown, call.lang)
        return Answer(html=html, version=shown.version, view=f"review:{set_}.{item}")

    def _next(self, call: Call, set_: str, told: str | None = None) -> Answer:
        item = self._reviews.next(call.who, set_)
        if item is None:
            standing = self._reviews.standing(call.who, set_)
            answer = Answer(html=done_page(standing, call.lang), view=f"review:{set_}")
        else:
            answer = self._item(call, set_, item)
        if told is not None:
            answer.note = note_html(say(call.lang, told), "good")
        return answer


def open_sets_html(reviews: Reviews, who: Identity, lang: Lang) -> str:
    """The open sets as a part of a rater's home; empty when there are none."""
    rows = "".join(
        f'<li><button type="button" data-open="review:{one.set}" data-key="review:{one.set}">'
        f"{said(lang, f'reviews_{one.task}')}"
        f'<span class="state {"new" if one.left else "done"}">'
        f"{_left(one.left, lang)}</span></button></li>"
        for one in reviews.sets(who)
    )
    return rows and (
        f'<section class="work reviews"><h3>{said(lang, "reviews_title")}</h3>'
        f'<p class="hint">{said(lang, "reviews_why")}</p><ol>{rows}</ol></section>'
    )


def _left(n: int, lang: Lang) -> str:
    return said(lang, "reviews_left", n=n) if n else said(lang, "reviews_none_left")


def _whole(value: object) -> int:
    """A count that a form of ours sent; -1, which fits nothing, for anything else."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else -1
