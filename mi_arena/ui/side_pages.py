"""The small pages: withdrawing a record, the sign-in of experts and admins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from mi_arena.access.identity import Identities
from mi_arena.battles.arena import Arena
from mi_arena.battles.refusal import Refused
from mi_arena.records.store import StoreError
from mi_arena.ui.events import AT_ONCE
from mi_arena.ui.hugging_face_sign_in import BEGIN
from mi_arena.ui.problem import failure_html, refusal_html
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say
from mi_arena.ui.transcript import note_html

log = logging.getLogger(__name__)


class WithdrawPage:
    """Takes a receipt code back, from any browser."""

    def __init__(self, arena: Arena, identities: Identities, browser: gr.BrowserState):
        self.arena, self.identities = arena, identities
        self.heading = gr.Markdown()
        self.code = gr.Textbox(elem_id="receipt-code", max_length=60)
        self.button = gr.Button(variant="primary", elem_id="withdraw")
        self.outcome = gr.HTML(elem_id="withdraw-outcome")
        for event in (self.button.click, self.code.submit):
            event(self.on_withdraw, [browser, self.code], [self.outcome], **AT_ONCE)

    def outputs(self) -> list[Any]:
        return [self.heading, self.code, self.button]

    def words(self, session: Session) -> dict[Any, Any]:
        lang = session.lang
        return {
            self.heading: f"## {say(lang, 'withdraw_title')}\n{say(lang, 'withdraw_lead')}",
            self.code: gr.update(label=say(lang, "receipt_field")),
            self.button: gr.update(value=say(lang, "withdraw")),
        }

    def on_withdraw(self, stored: object, code: object, request: gr.Request) -> str:
        session = Session.read(stored, request)
        who = session.identity(self.identities)
        try:
            self.arena.withdraw(who, str(code or "")[:60])
        except Refused as refused:
            return refusal_html(session, who, refused)
        except Exception as error:
            return failure_html(session, error)
        return note_html(say(session.lang, "withdrawn"), "good")


class ExpertSignIn:
    """An invite code in, a member's session out; ``changed`` repaints the battle page."""

    def __init__(
        self,
        arena: Arena,
        identities: Identities,
        browser: gr.BrowserState,
        changed: Callable[[Session, gr.Request], dict[Any, Any]],
        changed_outputs: list[Any],
        hugging_face: bool = False,
    ):
        """``hugging_face``: whether its accounts may be used, which only a Space can offer."""
        self.arena, self.identities, self.changed = arena, identities, changed
        self._hugging_face = hugging_face
        self.heading = gr.Markdown()
        self.code = gr.Textbox(elem_id="expert-code", type="password", max_length=100)
        with gr.Row():
            self.enter = gr.Button(elem_id="expert-in")
            # A tab of its own: Hugging Face shows its sign-in in no frame, and a Space is in one.
            self.by_account = gr.Button(
                elem_id="hugging-face-in",
                link=BEGIN,
                link_target="_blank",
                visible=hugging_face,
            )
            self.leave = gr.Button(elem_id="expert-out")
            self.leave_all = gr.Button(elem_id="expert-out-all")
        self.outcome = gr.HTML(elem_id="expert-outcome")
        outputs = [*self.outputs()[1:], *changed_outputs]
        for event in (self.enter.click, self.code.submit):
            event(self.on_enter, [browser, self.code], outputs, **AT_ONCE)
        self.leave.click(self.on_leave, [browser], outputs, **AT_ONCE)
        self.leave_all.click(self.on_leave_all, [browser], outputs, **AT_ONCE)

    def outputs(self) -> list[Any]:
        return [
            self.heading, self.code, self.enter, self.by_account, self.leave, self.leave_all,
            self.outcome,
        ]  # fmt: skip

    def words(self, session: Session) -> dict[Any, Any]:
        lang = session.lang
        return {
            self.heading: f"## {say(lang, 'expert_title')}\n{say(lang, 'expert_lead')}",
            **self.standing(session),
        }

    def standing(self, session: Session) -> dict[Any, Any]:
        """Who is signed in, if anybody is, and what they can do about it."""
        lang, role = session.lang, session.identity(self.identities).role
        member = role != "public"
        told = say(lang, f"signed_in_{role}") if member else ""
        return {
            self.code: gr.update(label=say(lang, "expert_code"), value="", visible=not member),
            self.enter: gr.update(value=say(lang, "expert_sign_in"), visible=not member),
            self.by_account: gr.update(
                value=say(lang, "hf_sign_in"), visible=self._hugging_face and not member
            ),
            self.leave: gr.update(value=say(lang, "expert_sign_out"), visible=member),
            self.leave_all: gr.update(value=say(lang, "expert_sign_out_all"), visible=member),
            self.outcome: note_html(told, "good"),
        }

    def on_enter(self, stored: object, code: object, request: gr.Request) -> dict[Any, Any]:
        session = Session.read(stored, request)
        who = session.identity(self.identities)
        try:
            token = self.arena.sign_in(who, str(code or "")[:100])
        except Refused as refused:
            return {self.outcome: refusal_html(session, who, refused)}
        except Exception as error:
            return {self.outcome: failure_html(session, error)}
        session = session.with_(member=token, battle="")
        return self.changed(session, request) | self.standing(session)

    def on_leave(self, stored: object, request: gr.Request) -> dict[Any, Any]:
        return self._left(Session.read(stored, request), request, everywhere=False)

    def on_leave_all(self, stored: object, request: gr.Request) -> dict[Any, Any]:
        return self._left(Session.read(stored, request), request, everywhere=True)

    def _left(self, session: Session, request: gr.Request, *, everywhere: bool) -> dict[Any, Any]:
        """The browser forgets its sign-in, and the server takes it no more."""
        told = "expert_signed_out_all" if everywhere else "expert_signed_out"
        kind = "good"
        try:
            who, members = session.identity(self.identities), self.identities.members
            if members and who.member and everywhere:
                members.sign_out_everywhere(who.member)
            elif members:
                members.sign_out(session.member)
        except StoreError as error:
            log.error("signing out failed: %s", error)
            told, kind = "failed", "bad"
        session = session.with_(member="", battle="")
        standing = self.standing(session)
        standing[self.outcome] = note_html(say(session.lang, told), kind)
        return self.changed(session, request) | standing
