"""Handlers of admins: each asks who calls before it does anything, and tells what went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from mi_arena.access.guard import NotAllowed, require
from mi_arena.access.identity import Identities
from mi_arena.battles.refusal import Refused
from mi_arena.jobs.launching import JobError
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say
from mi_arena.ui.transcript import note_html

log = logging.getLogger(__name__)
Updates = dict[Any, Any]


class Admins:
    """``note`` is the component that shows what went wrong."""

    def __init__(self, identities: Identities, note: gr.HTML):
        self._identities, self.note = identities, note

    def only(self, action: Callable[..., Updates]) -> Callable[..., Updates]:
        """A Gradio handler out of ``action(session, *values)``, for admins alone.

        Its first input is what the browser keeps.
        """

        def handler(stored: object, request: gr.Request, *values: Any) -> Updates:
            session = Session.read(stored, request)
            try:
                require(session.identity(self._identities), "admin")
                return action(session, *values)
            except NotAllowed as error:
                return self._told(session, f"guard_{error.code}")
            except JobError as error:
                return self._told(session, f"job_{error.code}")
            except Refused as refused:
                return self._told(session, f"refused_{refused.code}", **refused.values)
            except Exception as error:
                # The type says enough to look for; the text might quote a conversation.
                debug = log.isEnabledFor(logging.DEBUG)
                log.error("an admin's page failed: %s", type(error).__name__, exc_info=debug)
                return self._told(session, "failed")

        return handler

    def _told(self, session: Session, key: str, **values: object) -> Updates:
        return {self.note: note_html(say(session.lang, key, **values), "bad")}
