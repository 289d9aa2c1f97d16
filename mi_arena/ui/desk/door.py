"""The one door through which a desk's calls come, whatever they are and whoever makes them.

Every call says who makes it, and every room asks the guard.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from mi_arena.access.guard import NotAllowed
from mi_arena.access.identity import Identities
from mi_arena.battles.refusal import Refused
from mi_arena.records.store import StoreError
from mi_arena.ui.desk.answer import Answer, Call, Room
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, say
from mi_arena.ui.transcript import note_html

log = logging.getLogger(__name__)
LONGEST_VIEW = 100
LEADING_HOME = ("no_work", "practised_already", "review_closed")
"""Refusals after which there is nothing to be done on the page any more."""


class Door:
    """``rooms`` by the name of their views; ``home`` is where a desk begins."""

    def __init__(self, identities: Identities, rooms: Mapping[str, Room], home: str):
        self._identities, self._rooms, self._home = identities, dict(rooms), home

    def answer(self, sent: object, request: gr.Request | None) -> dict[str, Any]:
        """The answer to a call, whatever was sent and whatever happens."""
        given = sent if isinstance(sent, dict) else {}
        session = Session.read(given.get("session"), request)
        try:
            return self._answered(given, session).json()
        except Refused as refused:
            return self._refused(refused, given, session)
        except NotAllowed as error:
            return self._not_allowed(error, given, session)
        except StoreError as error:
            log.error("the records cannot be used: %s", error)
        except Exception as error:
            # The type says enough to look for; the text might quote what somebody wrote.
            log.error(
                "a desk failed: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG)
            )
        return Answer(note=self._bad(session.lang, "failed")).json()

    def _answered(self, given: Mapping[str, Any], session: Session) -> Answer:
        view = given.get("view")
        name, _, argument = str(view or self._home)[:LONGEST_VIEW].partition(":")
        room, do = self._rooms.get(name), str(given.get("do", "open"))
        if room is None:
            raise Refused("no_work")
        call = Call(
            who=session.identity(self._identities),
            lang=session.lang,
            argument=argument,
            do=do,
            battle=session.battle,
            version=given.get("version"),
            sent=given,
            again=given.get("again") is True,
        )
        action: Callable[[Call], Answer] = room.open if do == "open" else room.act
        return action(call)

    def _not_allowed(
        self, error: NotAllowed, given: Mapping[str, Any], session: Session
    ) -> dict[str, Any]:
        """Whoever may not be here is shown where they may be, if there is such a place."""
        note = self._bad(session.lang, f"guard_{error.code}")
        if error.code == "sign_in" or given.get("view") == self._home:
            return Answer(html="", note=note, view=self._home).json()
        home = self.answer({**given, "view": self._home, "do": "open"}, None)
        return home | {"note": note, "view": self._home}

    def _refused(
        self, refused: Refused, given: Mapping[str, Any], session: Session
    ) -> dict[str, Any]:
        sentence = note_html(say(session.lang, f"refused_{refused.code}", **refused.values), "bad")
        if refused.code == "overtaken":
            # What was changed elsewhere is shown at once, and this change is the reader's to redo.
            again = self.answer({**given, "do": "open"}, None)
            return again | {"note": sentence, "stale": True}
        if refused.code in LEADING_HOME and given.get("view") != self._home:
            home = self.answer({**given, "view": self._home, "do": "open"}, None)
            return home | {"note": sentence, "view": self._home}
        return Answer(note=sentence).json()

    @staticmethod
    def _bad(lang: Lang, key: str) -> str:
        return note_html(say(lang, key), "bad")
