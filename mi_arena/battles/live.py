"""A turn that runs on, whoever watches: stored when it ends, withheld where a reply does harm.

A page that was refreshed, or a second tab, finds the turn here and follows it. Nothing of it
depends on the connection that started it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from mi_arena.battles.moderation import Moderator
from mi_arena.battles.releasing import Release
from mi_arena.battles.state import SIDES, BattleState
from mi_arena.engine.protocol import ARMS, Snapshot, Turn
from mi_arena.records.battle_events import (
    BattleEnded,
    BattleFlagged,
    Replied,
    Reply,
    ReplyWithheld,
    Side,
)
from mi_arena.records.events import Event
from mi_arena.records.payloads import Payload, Role
from mi_arena.records.store import AlreadyStored, EventStore, NotStored
from mi_arena.safety.check import category_of
from mi_arena.safety.patterns import Finding

log = logging.getLogger(__name__)

SCAN_SECONDS = 0.25
"""How often the growing replies are looked through and released."""
TRIES = 2
"""Times that replies to one client turn may be withheld; then the battle ends."""


@dataclass
class LiveTurn:
    """The turn of one battle and its bookkeeping."""

    state: BattleState
    turn: Turn
    seed: int
    role: Role
    unsaved: bool = False
    """The replies are here but could not be stored."""
    release: Release = field(default_factory=Release)
    found: tuple[Side, list[Finding]] | None = None
    """Signs of harm in a reply, and on which side; then nothing of either is shown or kept."""
    danger: list[Finding] = field(default_factory=list)
    """Signs of danger in the client's turn that only the moderation model saw."""
    events: list[Event] | None = None
    """What is to be stored, made once: trying again stores the same."""
    finished: threading.Event = field(default_factory=threading.Event)
    """Set once the replies are stored, or storing them has failed."""

    def look(self, snapshot: Snapshot) -> None:
        """Release what is fit to be shown; stop both arms where it is not."""
        if (
            self.found is None
            and not self.danger
            and (found := self.release.take(snapshot)) is not None
        ):
            arm, findings = found
            self.withhold(self.state.side_of(arm), findings)

    def withhold(self, side: Side, findings: list[Finding]) -> None:
        self.found = side, findings
        self.release.withhold()
        self.turn.cancel()

    def hear(self, moderator: Moderator) -> None:
        """Wait for the opinion on the client's turn; nothing is released before it."""
        assert self.state.pending is not None
        self.danger = moderator.ask(self.state.pending.client, "client")()
        if self.danger:
            self.turn.cancel()

    def hear_replies(self, moderator: Moderator) -> None:
        """Wait for the opinions on both replies, whole."""
        if self.danger or self.found is not None:
            return
        texts = self.release.texts
        verdicts = [(arm, moderator.ask(texts[arm], "model")) for arm in ARMS if texts[arm]]
        for arm, verdict in verdicts:
            if (findings := verdict()) and self.found is None:
                self.withhold(self.state.side_of(arm), findings)

    def shown(self) -> Snapshot:
        """The turn as its rater may see it now."""
        snapshot, texts = self.turn.snapshot(), self.release.texts
        whole = {arm: self.found is None and texts[arm] == snapshot.text[arm] for arm in ARMS}
        ended = {arm: snapshot.ended[arm] if whole[arm] else None for arm in ARMS}
        return replace(snapshot, text=texts, ended=ended)


def watch(
    live: LiveTurn,
    store: EventStore,
    forget: Callable[[], None],
    moderator: Moderator | None = None,
) -> None:
    """Follow a turn to its end and store it; runs in a thread of its own.

    Whatever happens, the turn ends for those who wait: what could not be stored stays here
    (``unsaved``) to be tried again, and a fault leaves the client turn open.
    """
    try:
        if moderator is not None:
            live.hear(moderator)
        for snapshot in live.turn.follow(SCAN_SECONDS):
            live.look(snapshot)
        if moderator is not None:
            live.hear_replies(moderator)
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

    Of replies that are not fit to be shown no text is. Of a turn that failed nothing is recorded
    as said, so that it can be tried again; but one that can never be answered (too long for the
    pair) is, without text, and the battle goes on.
    """
    if live.events is None:
        live.events = _events_of(live)
    try:
        if live.events:
            store.append_all(live.events)
    except AlreadyStored:
        return


def flag(
    state: BattleState,
    number: int,
    findings: list[Finding],
    role: Role,
    reason: Literal["crisis", "minor"] = "crisis",
) -> list[Event]:
    """The events that mark a battle as dangerous for its client and end it."""
    flagged = BattleFlagged(
        battle=state.started.battle,
        round=number,
        category=str(category_of(findings)),
        source="client",
        terms=_terms(findings),
    )
    return of_battle(state, role, flagged, BattleEnded(battle=flagged.battle, reason=reason))


def of_battle(state: BattleState, role: Role, *payloads: Payload) -> list[Event]:
    """Events of a battle, one for each payload."""
    return [
        Event.of(payload, role=role, epoch=state.epoch, rater=state.rater) for payload in payloads
    ]


def _events_of(live: LiveTurn) -> list[Event]:
    state, pending = live.state, live.state.pending
    assert pending is not None
    battle = state.started.battle
    if live.danger:
        return flag(state, pending.number, live.danger, live.role)
    if live.found is not None:
        side, findings = live.found
        withheld = ReplyWithheld(
            battle=battle,
            round=pending.number,
            category=str(category_of(findings)),
            source=side,
            terms=_terms(findings),
        )
        last = pending.withheld + 1 >= TRIES
        ended = [BattleEnded(battle=battle, reason="withheld")] if last else []
        return of_battle(state, live.role, withheld, *ended)
    if live.turn.error is not None and not live.turn.too_long:
        return []
    replied = Replied(
        battle=battle,
        round=pending.number,
        sides={side: _reply(live, side) for side in SIDES},
        seed=live.seed,
        error="too_long" if live.turn.too_long else None,
    )
    return of_battle(state, live.role, replied)


def _terms(findings: list[Finding]) -> list[str]:
    return sorted({finding.pattern_id for finding in findings})[:100]


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
