"""A battle's state, derived from its events. Pure: events in, state out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mi_arena.dialogue import Message
from mi_arena.engine.protocol import Arm
from mi_arena.records.battle_events import (
    BattleEnded,
    BattleFlagged,
    BattleStarted,
    ClientSaid,
    Judgement,
    Replied,
    Reply,
    ReplyWithheld,
    Side,
    Withdrawn,
)
from mi_arena.records.events import Event

SIDES: tuple[Side, Side] = ("A", "B")


@dataclass
class Round:
    """A client turn and, once they came, both replies to it."""

    number: int
    client: str
    replies: dict[Side, Reply] | None = None
    too_long: bool = False
    """The client turn alone is longer than the pair can take."""
    withheld: int = 0
    """How often replies to it were not fit to be shown."""

    @property
    def complete(self) -> bool:
        """Both sides had their say; only such a round is history for the models and counts.

        A side that chose to say nothing has had it: silence is there to be judged.
        """
        return self.replies is not None and all(
            r.text or r.end in ("stop", "length") for r in self.replies.values()
        )


@dataclass
class BattleState:
    """Everything that is known of one battle, identities included: never leaves the server."""

    started: BattleStarted
    epoch: str
    rater: str
    rounds: list[Round] = field(default_factory=list)
    flagged: BattleFlagged | None = None
    ended: BattleEnded | None = None
    judgement: Judgement | None = None
    withdrawn: bool = False

    @property
    def pending(self) -> Round | None:
        """The client turn that still waits for its replies."""
        last = self.rounds[-1] if self.rounds else None
        return last if last is not None and last.replies is None else None

    @property
    def complete_rounds(self) -> int:
        return sum(r.complete for r in self.rounds)

    @property
    def open(self) -> bool:
        return not (self.flagged or self.ended or self.judgement or self.withdrawn)

    def arm_on(self, side: Side) -> Arm:
        return "tuned" if side == self.started.tuned_side else "base"

    def side_of(self, arm: Arm) -> Side:
        return next(side for side in SIDES if self.arm_on(side) == arm)

    def history(self, arm: Arm, system_prompt: str | None) -> list[Message]:
        """The messages an arm answers: its own replies, and the client turn that waits."""
        side = self.side_of(arm)
        messages = [Message(role="system", content=system_prompt)] if system_prompt else []
        for r in self.rounds:
            if r.complete and r.replies is not None:
                messages.append(Message(role="client", content=r.client))
                messages.append(Message(role="counselor", content=r.replies[side].text))
        if self.pending is not None:
            messages.append(Message(role="client", content=self.pending.client))
        return messages


def replay(events: Iterable[Event]) -> BattleState | None:
    """The state after these events of one battle, in their order; ``None`` when there are none."""
    state: BattleState | None = None
    for event in events:
        payload = event.payload
        if isinstance(payload, BattleStarted):
            state = BattleState(payload, epoch=event.epoch or "", rater=event.rater or "")
            continue
        if state is None:
            continue
        match payload:
            case ClientSaid():
                state.rounds.append(Round(payload.round, payload.text))
            case Replied() | ReplyWithheld():
                _answer(state.rounds, payload)
            case BattleFlagged():
                state.flagged = payload
            case BattleEnded():
                state.ended = payload
            case Judgement():
                state.judgement = payload
            case Withdrawn():
                state.withdrawn = True
    return state


def _answer(rounds: Iterable[Round], payload: Replied | ReplyWithheld) -> None:
    for r in rounds:
        if r.number != payload.round:
            continue
        if isinstance(payload, Replied):
            r.replies = dict(payload.sides)
            r.too_long = payload.error == "too_long"
        else:
            r.withheld += 1
