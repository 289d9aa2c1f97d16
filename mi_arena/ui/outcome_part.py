"""What the battle page has after a judgement: the reveal, the receipt, the rater's own coding."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mi_arena.access.identity import Identities
from mi_arena.battles.arena import Arena
from mi_arena.battles.view import BattleView
from mi_arena.ui.desk.rooms import own_battle_rooms
from mi_arena.ui.desk.shell import DeskShell
from mi_arena.ui.outcome import outcome_html
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, say
from mi_arena.workspace.workspace import Workspace

Updates = dict[Any, Any]


class OutcomePart:
    """Made inside a ``gr.Blocks`` context. What may be revealed the arena has decided."""

    def __init__(self, arena: Arena, identities: Identities, workspace: Workspace, minimum_n: int):
        self._arena, self._minimum_n = arena, minimum_n
        with gr.Column(visible=False, elem_id="outcome") as self.box:
            self.text = gr.HTML(elem_id="outcome-text")
            self.receipt = gr.Textbox(
                interactive=False, buttons=["copy"], visible=False, elem_id="receipt"
            )
            with gr.Accordion(open=False, elem_id="own") as self.own_box:
                self.own_lead = gr.Markdown()
                self.own = DeskShell(identities, own_battle_rooms(workspace), "own-form", "own:A")
            self.again = gr.Button(variant="primary", elem_id="again")

    def outputs(self) -> list[Any]:
        return [
            self.box, self.text, self.receipt, self.own_box, self.own_lead, self.own.component,
            self.again,
        ]  # fmt: skip

    def painted(self, session: Session, view: BattleView | None) -> Updates:
        """Empty until the battle is judged."""
        judged = view if view is not None and view.phase == "judged" else None
        receipt = view.receipt if view else None
        return {
            self.box: gr.update(visible=judged is not None),
            self.text: self._told(judged, session.lang) if judged else "",
            self.receipt: gr.update(value=receipt, visible=bool(receipt)),
            self.own.component: self.own.painted(session, shown=judged is not None),
        }

    def words(self, lang: Lang) -> Updates:
        return {
            self.receipt: gr.update(label=say(lang, "receipt"), info=say(lang, "receipt_info")),
            self.own_box: gr.update(label=say(lang, "own_open")),
            self.own_lead: say(lang, "own_lead"),
            self.again: gr.update(value=say(lang, "again")),
        }

    def _told(self, view: BattleView, lang: Lang) -> str:
        known = self._arena.offer.known().values()
        names = {pair.id: getattr(pair.name, lang) for pair in known}
        store, votes = self._arena.store, self._arena.votes
        return outcome_html(view, lang, store, votes, names, self._minimum_n)
