"""Handlers of admins: each asks who calls before it does anything, tells what went wrong, and has
what was done written down."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mi_arena.access.audit import Audit, Outcome
from mi_arena.access.guard import NotAllowed, require
from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.refusal import Refused
from mi_arena.jobs.launching import JobError
from mi_arena.records.audit_events import Target
from mi_arena.records.store import NotStored, NotTaken
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say
from mi_arena.ui.transcript import note_html

log = logging.getLogger(__name__)
Updates = dict[Any, Any]


@dataclass(frozen=True)
class Acted:
    """What came of an act: what changes on the page, the id of what it was done on, if it has one,
    and whether it was done."""

    updates: Updates
    name: str | None
    outcome: Outcome = "done"


@dataclass(frozen=True)
class Planned:
    """An act that can't be taken back: it begins once it is written down, and else not at all."""

    name: str
    """The id of what it is done on."""
    begin: Callable[[], Updates]


class Admins:
    """``note`` is the component that shows what went wrong."""

    def __init__(self, identities: Identities, note: gr.HTML, audit: Audit):
        self._identities, self.note, self._audit = identities, note, audit

    def beside(self, note: gr.HTML) -> Admins:
        """The same, told in another place."""
        return Admins(self._identities, note, self._audit)

    def only(self, look: Callable[..., Updates]) -> Callable[..., Updates]:
        """A Gradio handler out of ``look(session, *values)``, for admins alone; it changes nothing
        but the page.

        Its first input is what the browser keeps.
        """
        return self._handler(look)

    def act(
        self, name: str, action: Callable[..., Updates | Acted | Planned], target: Target = "run"
    ) -> Callable[..., Updates]:
        """Like ``only``, for what has effects: who did it, and on what, goes into the records.

        ``action`` tells on what by ``Acted``, or else it is the first of its values.
        """

        def recorded(who: Identity, session: Session, *values: Any) -> Updates:
            on: object = values[0] if values else None
            outcome: Outcome = "failed"
            written = False
            try:
                done = action(session, *values)
                if isinstance(done, Planned):
                    on = done.name
                    self._audit.record_first(who, name, target, on)
                    written = True
                    done = done.begin()
                outcome = "done"
                if isinstance(done, Acted):
                    on, outcome = done.name, done.outcome
                    return done.updates
                return done
            except (JobError, Refused, NotStored):
                outcome = "refused"
                raise
            finally:
                if not (written and outcome == "done"):
                    self._audit.record(who, name, target, on, outcome)

        return self._handler(recorded, told_who=True)

    def _handler(
        self, action: Callable[..., Updates], told_who: bool = False
    ) -> Callable[..., Updates]:
        def handler(stored: object, request: gr.Request, *values: Any) -> Updates:
            session = Session.read(stored, request)
            try:
                who = require(session.identity(self._identities), "admin")
                return action(who, session, *values) if told_who else action(session, *values)
            except NotAllowed as error:
                return self._told(session, f"guard_{error.code}")
            except JobError as error:
                return self._told(session, f"job_{error.code}")
            except Refused as refused:
                return self._told(session, f"refused_{refused.code}", **refused.values)
            except NotTaken:
                return self._told(session, "admin_not_restored")
            except NotStored as error:
                return self._told(session, "admin_not_stored", why=error)
            except Exception as error:
                # The type says enough to look for; the text might quote a conversation.
                debug = log.isEnabledFor(logging.DEBUG)
                log.error("an admin's page failed: %s", type(error).__name__, exc_info=debug)
                return self._told(session, "failed")

        return handler

    def _told(self, session: Session, key: str, **values: object) -> Updates:
        return {self.note: note_html(say(session.lang, key, **values), "bad")}
