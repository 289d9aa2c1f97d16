"""The quick form after a battle: its own rater codes both sides, having judged them."""

from __future__ import annotations

from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.refusal import Refused
from mi_arena.battles.state import replay
from mi_arena.battles.tokens import Tokens
from mi_arena.records.battle_events import Side
from mi_arena.records.store import EventStore
from mi_arena.workspace.desk import Job
from mi_arena.workspace.material import MaterialStore


class OwnBattles:
    """Makes the jobs. Any number of threads may call it."""

    def __init__(self, store: EventStore, material: MaterialStore, identities: Identities):
        self._store, self._material, self._tokens = store, material, Tokens(identities)

    def job(self, who: Identity, token: str, side: Side) -> Job:
        """One side of the battle behind a token. Raises ``Refused``: not theirs, not judged."""
        battle = self._tokens.battle(token)
        state = replay(self._store.events(battle=battle))
        if state is None:
            raise Refused("no_battle")
        if state.rater != who.rater:
            raise Refused("not_yours")
        if state.judgement is None or state.flagged or state.withdrawn:
            raise Refused("not_open")
        material = self._material.of_battle(battle, side)
        assert material is not None  # it was started
        # Experts are told nothing before the epoch closes; everybody else was, on judging.
        revealed = who.role != "expert" or self._store.count("epoch_closed", epoch=state.epoch) > 0
        key = f"own:{battle}:{side}"
        return Job(
            kind="own",
            owner=who.rater,
            rater=who.rater,
            role=who.role,
            key=key,
            coding=f"{who.rater}:{key}",
            messages=self._material.messages(material),
            source={
                "source": "self",
                "dialogue": self._material.of_side(battle, side),
                "battle": battle,
                "side": side,
                "revealed": revealed,
            },
            epoch=state.epoch,
            form="quick",
            side=side,
            can_cut=False,
            can_choose_form=False,
        )
