"""What ends a battle: words of its client that show danger, or that they are under age.

Such words are not stored: only that there were some, and of which kind.
"""

from __future__ import annotations

from mi_arena.battles.live import flag, of_battle
from mi_arena.battles.refusal import saving
from mi_arena.battles.state import BattleState
from mi_arena.records.battle_events import BattleEnded
from mi_arena.records.events import Event
from mi_arena.records.payloads import Role
from mi_arena.records.store import EventStore
from mi_arena.safety.check import findings as signs_of_danger
from mi_arena.safety.minors import says_under_age


def ended_by(state: BattleState, number: int, text: str, role: Role) -> list[Event]:
    """The events that end a battle for what its client wrote in a round or beside it; empty where
    it may go on."""
    findings, young = signs_of_danger(text, "client"), says_under_age(text)
    if findings:
        return flag(state, number, findings, role, "minor" if young else "crisis")
    if not young:
        return []
    return of_battle(state, role, BattleEnded(battle=state.started.battle, reason="minor"))


def end(store: EventStore, state: BattleState, events: list[Event]) -> None:
    """Store the end of a battle once, whoever asks for it beside. Raises ``Refused``."""
    with saving(), store.transaction() as transaction:
        if not transaction.count("battle_ended", battle=state.started.battle):
            transaction.append_all(events)
