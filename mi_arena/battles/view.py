"""What a page may know of a battle: sides, and arms only once that rater's verdict is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mi_arena.battles.state import SIDES, BattleState, Round
from mi_arena.engine.protocol import Snapshot
from mi_arena.records.battle_events import Overall, Side

Phase = Literal["open", "answering", "interrupted", "unsaved", "crisis", "judged", "ended"]


@dataclass(frozen=True)
class ReplyView:
    """One side's reply as far as it has come; ``end`` is ``None`` while it is still coming."""

    text: str
    end: str | None


@dataclass(frozen=True)
class RoundView:
    number: int
    client: str
    replies: dict[Side, ReplyView] | None
    too_long: bool = False
    withheld: bool = False
    """Replies to it were not fit to be shown, and there are no others."""


@dataclass(frozen=True)
class Waiting:
    """What a rater waits for before the first words come."""

    place: int | None
    loading: bool


@dataclass(frozen=True)
class Reveal:
    """Which side was which; made only after the judgement is stored."""

    tuned_side: Side
    pair: str
    epoch: str
    overall: Overall
    guess: Side | None


@dataclass(frozen=True)
class BattleView:
    phase: Phase
    topic: str
    rounds: list[RoundView]
    waiting: Waiting | None
    complete_rounds: int
    can_judge: bool
    crisis_category: str | None
    reveal: Reveal | None
    receipt: str | None
    """The code that withdraws the record; only once there is a judgement."""
    judged_blind: bool
    """Judged, but nothing is revealed before the epoch closes (experts)."""
    away: bool = False
    """Nothing can be answered for a while: the models have made room for a training run."""
    withheld: bool = False
    """The last replies were not fit to be shown."""
    minor: bool = False
    """It ended because the client said they are under 18."""


def view_of(
    state: BattleState,
    *,
    live: Snapshot | None,
    unsaved: bool,
    over: bool,
    away: bool,
    rounds_to_judge: int,
    may_reveal: bool,
    receipt: str | None,
) -> BattleView:
    """The view of a battle.

    ``live``: what may be shown of the running turn, if there is one. ``over``: the epoch is closed,
    so that nothing more can be said or judged. ``away``: the pair's models are.
    """
    rounds = [
        RoundView(
            r.number,
            r.client,
            _replies(r),
            r.too_long,
            r.withheld > 0 and r.replies is None,
        )
        for r in state.rounds
    ]
    waiting = None
    if live is not None and state.pending is not None:
        rounds[-1] = RoundView(
            state.pending.number,
            state.pending.client,
            {
                side: ReplyView(live.text[state.arm_on(side)], live.ended[state.arm_on(side)])
                for side in SIDES
            },
        )
        if not any(live.text.values()) and not live.done:
            waiting = Waiting(live.place, live.loading)
    phase = _phase(state, live, unsaved, over)
    judged = state.judgement is not None
    reveal = None
    if state.judgement is not None and may_reveal:
        reveal = Reveal(
            tuned_side=state.started.tuned_side,
            pair=state.started.pair,
            epoch=state.epoch,
            overall=state.judgement.overall,
            guess=state.judgement.guess,
        )
    return BattleView(
        phase=phase,
        topic=state.started.topic,
        rounds=rounds,
        waiting=waiting,
        complete_rounds=state.complete_rounds,
        # A turn that could not be answered doesn't keep anybody from judging those before it.
        can_judge=phase in ("open", "interrupted") and state.complete_rounds >= rounds_to_judge,
        crisis_category=state.flagged.category if state.flagged else None,
        reveal=reveal,
        receipt=receipt,
        judged_blind=judged and reveal is None,
        away=away,
        withheld=bool(rounds) and rounds[-1].withheld,
        minor=state.ended is not None and state.ended.reason == "minor",
    )


def _phase(state: BattleState, live: Snapshot | None, unsaved: bool, over: bool) -> Phase:
    if state.flagged:
        return "crisis"
    if state.judgement:
        return "judged"
    if state.ended or state.withdrawn or over:
        return "ended"
    if unsaved:
        return "unsaved"
    if state.pending is not None:
        return "answering" if live is not None else "interrupted"
    return "open"


def _replies(r: Round) -> dict[Side, ReplyView] | None:
    if r.replies is None:
        return None
    return {side: ReplyView(reply.text, reply.end) for side, reply in r.replies.items()}
