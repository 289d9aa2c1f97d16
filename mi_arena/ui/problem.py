"""Why something was not done, as a note on a page."""

from __future__ import annotations

import logging

from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Refused
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say
from mi_arena.ui.transcript import note_html

log = logging.getLogger(__name__)


def refusal_html(session: Session, who: Identity, refused: Refused) -> str:
    """For whoever asked for it and, as ``who``, was refused."""
    if refused.code in ("not_yours", "no_battle") and session.member and who.member is None:
        # The browser's battle was the member's.
        return note_html(say(session.lang, "signed_out"), "bad")
    return note_html(say(session.lang, f"refused_{refused.code}", **refused.values), "bad")


def failure_html(session: Session, error: Exception) -> str:
    """For a fault of ours, which is logged."""
    # The type says enough to look for; the text of an error might quote what somebody wrote.
    log.error(
        "a handler failed: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG)
    )
    return note_html(say(session.lang, "failed"), "bad")
