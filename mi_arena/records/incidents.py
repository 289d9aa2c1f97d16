"""How often something was stopped, for admins: counts, no text and no arm."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

from mi_arena.records.battle_events import (
    BattleEnded,
    BattleFlagged,
    BattleStarted,
    ReplyWithheld,
)
from mi_arena.records.payloads import Kind, Payload
from mi_arena.records.store import EventStore

MINOR = "minor"


class Incidents(NamedTuple):
    """What happened ``times`` times ; ``category`` is a kind of danger or harm, or ``minor``."""

    category: str
    speaker: Literal["client", "model"]
    lang: str
    times: int


def incidents(store: EventStore, epoch: str | None = None) -> list[Incidents]:
    """What was stopped so far (in one epoch), the most frequent first."""
    counts: Counter[tuple[str, Literal["client", "model"], str]] = Counter()
    languages: dict[str, str] = {}
    kinds: tuple[Kind, ...] = (
        "battle_started",
        "battle_flagged",
        "reply_withheld",
        "battle_ended",
    )
    for event in store.events(kinds, epoch=epoch):
        if isinstance(event.payload, BattleStarted):
            languages[event.payload.battle] = event.payload.lang
        elif (found := _incident(event.payload)) is not None:
            category, speaker, battle = found
            counts[category, speaker, languages.get(battle, "")] += 1
    told = [Incidents(*what, count) for what, count in counts.items()]
    return sorted(told, key=lambda one: (-one.times, one[:3]))


def _incident(payload: Payload) -> tuple[str, Literal["client", "model"], str] | None:
    match payload:
        case BattleFlagged():
            speaker: Literal["client", "model"] = (
                "client" if payload.source == "client" else "model"
            )
            return payload.category, speaker, payload.battle
        case ReplyWithheld():
            return payload.category, "model", payload.battle
        case BattleEnded(reason="minor"):
            return MINOR, "client", payload.battle
    return None
