"""Opens, continues and closes epochs in the event store.

An epoch belongs to one pair and one fingerprint of what is served. The same fingerprint after a
restart continues it, another one closes it. Its allocation seed is HMAC(secret, id, nonce); nonce
and a commitment to the seed are stored when it opens, so that the allocation can be audited. Two
copies of the app that don't see each other open two epochs, and go on with the later one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mi_arena.records.battle_events import EpochClosed, EpochOpened
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore, Transaction
from mi_arena.study.allocation import commitment, seed_for
from mi_arena.study.fingerprint import epoch_fingerprint

SHOWN, OF_NONCE = 12, 6
"""Characters of fingerprint and nonce in an epoch's id."""


@dataclass(frozen=True)
class Epoch:
    """An epoch that takes battles, with the seed of its allocation: never leaves the server."""

    id: str
    pair: str
    seed: bytes


class Epochs:
    """The epochs of the pairs served now."""

    def __init__(self, store: EventStore, secret: bytes):
        self._store, self._secret = store, secret

    def current(self, transaction: Transaction, pair: str, served: Mapping[str, Any]) -> Epoch:
        """The open epoch of a pair; opens one where none is, closes one of other things served."""
        fingerprint = epoch_fingerprint(served)
        closed = {e.epoch for e in transaction.events("epoch_closed")}
        same, going_on = 0, list[tuple[datetime, Epoch]]()
        for event in transaction.events("epoch_opened"):
            opened = event.payload
            assert isinstance(opened, EpochOpened) and event.epoch is not None
            if opened.pair != pair:
                continue
            if opened.fingerprint == fingerprint:
                same += 1
            if event.epoch in closed:
                continue
            if opened.fingerprint == fingerprint:
                seed = seed_for(self._secret, event.epoch, opened.nonce)
                if commitment(seed) == opened.seed_commitment:
                    going_on.append((event.created_at, Epoch(event.epoch, pair, seed)))
                    continue
                # Another secret than the one it was opened with: its allocation can't go on.
            transaction.append(
                Event.of(EpochClosed(reason="served_changed"), role="admin", epoch=event.epoch)
            )
        if going_on:
            return max(going_on, key=lambda one: one[0])[1]
        nonce = secrets.token_hex(16)
        epoch = f"{pair}-{fingerprint[:SHOWN]}-{same + 1}-{nonce[:OF_NONCE]}"
        seed = seed_for(self._secret, epoch, nonce)
        transaction.append(
            Event.of(
                EpochOpened(
                    pair=pair,
                    fingerprint=fingerprint,
                    served=dict(served),
                    nonce=nonce,
                    seed_commitment=commitment(seed),
                ),
                role="admin",
                epoch=epoch,
            )
        )
        return Epoch(epoch, pair, seed)

    def close(self, epoch: str) -> None:
        """Close an epoch for good; the next battle of its pair opens another."""
        self._store.append(Event.of(EpochClosed(reason="admin"), role="admin", epoch=epoch))

    def is_closed(self, epoch: str) -> bool:
        return self._store.count("epoch_closed", epoch=epoch) > 0
