"""The judging form of the battle page: its fields, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from mi_arena.access.identity import Identities
from mi_arena.battles.arena import Arena
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
from mi_arena.battles.view import BattleView
from mi_arena.ui.events import AT_ONCE
from mi_arena.ui.focus import focus_on
from mi_arena.ui.problem import failure_html, refusal_html
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, choices, say

Updates = dict[Any, Any]


class JudgingPart:
    """Made inside a ``gr.Blocks`` context."""

    def __init__(
        self,
        arena: Arena,
        identities: Identities,
        browser: gr.BrowserState,
        painted: gr.State,
        paint: Callable[[Session, gr.Request | None], Updates],
    ):
        """``painted``: the token of the battle on the page. ``paint`` paints the whole page."""
        self._arena, self._identities = arena, identities
        self._browser, self._painted, self._paint = browser, painted, paint
        with gr.Column(visible=False, elem_id="judge") as self.box:
            self.title = gr.Markdown()
            self.overall = gr.Radio(list(OVERALL), elem_id="overall")
            with gr.Accordion(open=False, elem_id="points") as self.points_box:
                self.points: dict[str, gr.Radio] = {
                    name: gr.Radio(list(SCALE), elem_id=f"point-{name}") for name in POINTS
                }
                self.reason = gr.Textbox(lines=2, elem_id="reason", max_length=REASON_LIMIT)
            self.guess = gr.Radio(list(GUESSES), elem_id="guess")
            self.confidence = gr.Radio(list(CONFIDENCE), elem_id="confidence")
            self.problem = gr.HTML(elem_id="judge-problem")
            self.submit = gr.Button(variant="primary", elem_id="submit")
        self._fields: dict[str, Any] = {
            "overall": self.overall, **self.points,
            "guess": self.guess, "confidence": self.confidence, "reason": self.reason,
        }  # fmt: skip

    def outputs(self) -> list[Any]:
        return [
            self.box, self.title, self.points_box, *self._fields.values(), self.problem,
            self.submit,
        ]  # fmt: skip

    def connect(self, page: list[Any]) -> None:
        """Let the form be sent; ``page``: every component that may change then."""
        sent: set[Any] = {self._browser, self._painted, *self._fields.values()}
        judged = self.submit.click(self.on_judge, sent, page, **AT_ONCE)
        judged.then(js=focus_on("#crisis section, #outcome-text h2"))

    def on_judge(self, data: dict[Any, Any], request: gr.Request) -> Updates:
        session = Session.read(data[self._browser], request)
        who = session.identity(self._identities)
        token = data[self._painted] or session.battle
        sent = {name: data[field] for name, field in self._fields.items()}
        try:
            self._arena.judge(who, token, answers_of(sent))
        except Refused as refused:
            return {self.problem: refusal_html(session, who, refused)}
        except Exception as error:
            return {self.problem: failure_html(session, error)}
        return self._paint(session.with_(battle=token), request) | {self.problem: ""}

    def painted(self, view: BattleView | None) -> Updates:
        """The form is there once the battle may be judged; what was entered stands till another."""
        if view is None:
            return {self.box: gr.update(visible=False), **self._emptied()}
        return {self.box: gr.update(visible=view.can_judge)}

    def words(self, lang: Lang) -> Updates:
        scale = choices(lang, "point", SCALE)
        return {
            self.title: f"### {say(lang, 'judge_title')}",
            self.overall: gr.update(
                label=say(lang, "overall"), choices=choices(lang, "overall", OVERALL)
            ),
            self.points_box: gr.update(label=say(lang, "points")),
            **{
                radio: gr.update(label=say(lang, f"point_{name}"), choices=scale)
                for name, radio in self.points.items()
            },
            self.reason: gr.update(label=say(lang, "reason")),
            self.guess: gr.update(
                label=say(lang, "guess"), choices=choices(lang, "guess", GUESSES)
            ),
            self.confidence: gr.update(
                label=say(lang, "confidence"), choices=choices(lang, "confidence", CONFIDENCE)
            ),
            self.submit: gr.update(value=say(lang, "submit")),
        }

    def _emptied(self) -> Updates:
        return {
            **{field: gr.update(value=None) for field in self._fields.values()},
            self.reason: gr.update(value=""),
            self.problem: "",
        }
