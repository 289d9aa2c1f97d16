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
from mi_arena.records.events import (
    BattleEnded,
    BattleFlagged,
    Event,
    Replied,
    Reply,
    Role,
    Side,
)
from mi_arena.records.store import AlreadyStored, EventStore, NotStored
from mi_arena.safety.crisis import Finding, scan

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
    finished: threading.Event = field(default_factory=threading.Event)
    """Set once the replies are stored, or storing them has failed."""


def watch(live: LiveTurn, store: EventStore, forget: Callable[[], None]) -> None:
    """Follow a turn to its end and store it; runs in a thread of its own."""
    found: tuple[Side, list[Finding]] | None = None
    for snapshot in live.turn.follow(SCAN_SECONDS):
        for side in SIDES:
            findings = scan(snapshot.text[live.state.arm_on(side)])
            if findings and found is None:
                found = side, findings
                live.turn.cancel()
    try:
        store_replies(live, store, found)
    except NotStored as error:
        log.error("replies could not be stored: %s", error)
        live.unsaved = True
    else:
        forget()
    finally:
        live.finished.set()


def store_replies(
    live: LiveTurn, store: EventStore, found: tuple[Side, list[Finding]] | None = None
) -> None:
    """Put a finished turn into the record. Raises ``NotStored``; a second call changes nothing."""
    state, pending = live.state, live.state.pending
    assert pending is not None
    if live.turn.error is not None:
        # Nothing is recorded as said: the client turn stays open and can be tried again.
        return
    battle = state.started.battle
    events = [
        Event.of(
            Replied(
                battle=battle,
                round=pending.number,
                sides={side: _reply(live, side) for side in SIDES},
                seed=live.seed,
            ),
            role=live.role,
            epoch=state.epoch,
            rater=state.rater,
        )
    ]
    if found is not None:
        side, findings = found
        events += flag(state, pending.number, side, findings, live.role)
    try:
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
