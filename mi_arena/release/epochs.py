"""What a release tells of the epochs: of closed ones the seed, of open ones only the commitment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mi_arena.records.battle_events import BattleStarted, EpochClosed, EpochOpened
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore
from mi_arena.release.left_out import Reason
from mi_arena.study.allocation import commitment, seed_for
from mi_arena.study.told import EpochTold

ANOTHER_SECRET = "the study's secret is not the one under which the epoch was opened"


def epochs_told(
    store: EventStore, secret: bytes, withheld: Mapping[str, Mapping[Reason, int]]
) -> list[EpochTold]:
    """Every epoch, the oldest first. ``withheld``: by epoch, why battles of it are left out."""
    closed = {event.epoch: event for event in store.events("epoch_closed")}
    return [
        _told(
            opened,
            closed.get(opened.epoch),
            secret,
            _indices(store, opened.epoch or ""),
            withheld.get(opened.epoch or "", {}),
        )
        for opened in store.events("epoch_opened")
    ]


def _told(
    opened: Event,
    closed: Event | None,
    secret: bytes,
    indices: Counter[int],
    withheld: Mapping[Reason, int],
) -> EpochTold:
    told = opened.payload
    assert isinstance(told, EpochOpened) and opened.epoch is not None
    seed: bytes | None = None
    if closed is not None:
        seed = seed_for(secret, opened.epoch, told.nonce)
        if commitment(seed) != told.seed_commitment:
            seed = None
    ending = closed.payload if closed is not None else None
    return EpochTold(
        epoch=opened.epoch,
        pair=told.pair,
        opened_on=opened.created_at.date(),
        closed_on=closed.created_at.date() if closed is not None else None,
        closed_for=ending.reason if isinstance(ending, EpochClosed) else None,
        nonce=told.nonce,
        seed_commitment=told.seed_commitment,
        seed=seed.hex() if seed is not None else None,
        no_seed_because=None if seed is not None else ANOTHER_SECRET if closed else "it is open",
        fingerprint=told.fingerprint,
        served=told.served if closed is not None else None,
        battles=indices.total() if closed is not None else None,
        withheld=dict(sorted(withheld.items())) if closed is not None else None,
        doubled=sorted((indices - Counter(set(indices))).elements()) if closed is not None else [],
    )


def _indices(store: EventStore, epoch: str) -> Counter[int]:
    """How often each allocation index was given: once, or by each of two copies of the app."""
    started = (event.payload for event in store.events("battle_started", epoch=epoch))
    return Counter(one.allocation_index for one in started if isinstance(one, BattleStarted))
