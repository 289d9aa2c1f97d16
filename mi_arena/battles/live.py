"""A turn that runs on, whoever watches: stored when it ends, stopped at signs of danger.

A page that was refreshed, or a second tab, finds the turn here and follows it. Nothing of it
depends on the connection that started it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mi_arena.battles.state import SIDES, BattleState
from mi_arena.engine.protocol import Turn
from mi_arena.records.battle_events import BattleEnded, BattleFlagged, Replied, Reply, Side
from mi_arena.records.events import Event
from mi_arena.records.payloads import Role
from mi_arena.records.store import AlreadyStored, EventStore, NotStored
from mi_arena.safety.crisis import scan
from mi_arena.safety.patterns import Finding

log = logging.getLogger(__name__)

Source = Literal["client", "A", "B"]
SCAN_SECONDS = 0.25
"""How often the growing replies are looked at for signs of danger."""


@dataclass
class LiveTurn:
    """The turn of one battle and its bookkeeping."""

    state: BattleState
    turn: Turn
    seed: int
    role: Role
    unsaved: bool = False
    """The replies are here but could not be stored."""
    found: tuple[Side, list[Finding]] | None = None
    """Signs of danger in a reply, and on which side."""
    finished: threading.Event = field(default_factory=threading.Event)
    """Set once the replies are stored, or storing them has failed."""

    @property
    def danger(self) -> str | None:
        """The kind of danger seen in the replies."""
        return self.found[1][0].category if self.found else None


def watch(live: LiveTurn, store: EventStore, forget: Callable[[], None]) -> None:
    """Follow a turn to its end and store it; runs in a thread of its own.

    Whatever happens, the turn ends for those who wait: what could not be stored stays here
    (``unsaved``) to be tried again, and a fault leaves the client turn open.
    """
    try:
        for snapshot in live.turn.follow(SCAN_SECONDS):
            for side in SIDES:
                findings = scan(snapshot.text[live.state.arm_on(side)])
                if findings and live.found is None:
                    live.found = side, findings
                    live.turn.cancel()
        if live.turn.error is not None:
            log.error("pair %s: %s", live.state.started.pair, live.turn.error)
        store_replies(live, store)
    except NotStored as error:
        log.error("replies could not be stored: %s", error)
        live.unsaved = True
    except Exception as error:
        # The type only: the text of an error might quote what was said.
        log.error("a turn failed: %s", type(error).__name__)
        live.turn.cancel()
        forget()
    else:
        forget()
    finally:
        live.finished.set()


def store_replies(live: LiveTurn, store: EventStore) -> None:
    """Put a finished turn into the record. Raises ``NotStored``; a second call changes nothing.

    Of a turn that failed nothing is recorded as said, so that it can be tried again; but one that
    can never be answered (too long for the pair) is, without text, and the battle goes on.
    """
    state, pending = live.state, live.state.pending
    assert pending is not None
    events: list[Event] = []
    if live.turn.error is None or live.turn.too_long:
        replied = Replied(
            battle=state.started.battle,
            round=pending.number,
            sides={side: _reply(live, side) for side in SIDES},
            seed=live.seed,
            error="too_long" if live.turn.too_long else None,
        )
        events.append(Event.of(replied, role=live.role, epoch=state.epoch, rater=state.rater))
    if live.found is not None:
        side, findings = live.found
        events += flag(state, pending.number, side, findings, live.role)
    try:
        if events:
            store.append_all(events)
    except AlreadyStored:
        return


def flag(
    state: BattleState, number: int, source: Source, findings: list[Finding], role: Role
) -> list[Event]:
    """The events that mark a battle as dangerous and end it."""
    payloads = [
        BattleFlagged(
            battle=state.started.battle,
            round=number,
            category=findings[0].category,
            source=source,
            terms=sorted({finding.pattern_id for finding in findings})[:100],
        ),
        BattleEnded(battle=state.started.battle, reason="crisis"),
    ]
    return [
        Event.of(payload, role=role, epoch=state.epoch, rater=state.rater) for payload in payloads
    ]


def _reply(live: LiveTurn, side: Side) -> Reply:
    reply = live.turn.replies[live.state.arm_on(side)]
    return Reply(
        text=reply.text,
        end=reply.end or "cancelled",
        tokens=reply.tokens,
        prompt_tokens=reply.prompt_tokens,
        messages_left_out=reply.messages_left_out,
        token_seconds=reply.token_seconds,
    )
