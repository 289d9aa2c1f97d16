"""What battles begin on: pairs, each with its engine and its open epoch; may change meanwhile.

A pair that comes anew under its id, with other weights, prompt or decoding, closes the epoch of the
one before: their records never mix.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mi_arena.battles.epochs import Epoch, Epochs
from mi_arena.battles.served import what_is_served
from mi_arena.engine.protocol import Engine
from mi_arena.pairs import Pair
from mi_arena.records.store import EventStore, NotTaken, Transaction


@dataclass(frozen=True)
class Offered:
    """A pair and what runs it."""

    pair: Pair
    engine: Engine


class Offer:
    """Any number of threads may call it."""

    def __init__(
        self,
        store: EventStore,
        secret: bytes,
        pairs: Mapping[str, Pair],
        engines: Mapping[str, Engine],
    ):
        self._store, self.epochs = store, Epochs(store, secret)
        self._known = {name: Offered(pair, engines[name]) for name, pair in pairs.items()}
        """Those that battles begin on, and others that may still have some open."""
        self._served: dict[str, dict[str, Any]] = {
            name: what_is_served(pair) for name, pair in pairs.items()
        }
        self._retired: list[Engine] = []
        """Of pairs that came anew under the same id: what they had begun, they end."""
        self._draw = random.SystemRandom()
        self._changing = threading.Lock()
        with suppress(NotTaken):  # whoever restores the records opens them then
            self.open_epochs()

    def open_epochs(self) -> None:
        """Open those that are missing before any battle: one that appears would tell its pair."""
        with self._store.transaction() as transaction:
            self.epochs_now(transaction)

    def pairs(self) -> list[Pair]:
        """The pairs that are served; which of them a battle has stays hidden."""
        served = self._served  # first: what is in it is known already
        return [self._known[name].pair for name in served]

    def known(self) -> dict[str, Pair]:
        """By id: those that are served, and those that were since the app started."""
        return {name: offered.pair for name, offered in self._known.items()}

    @property
    def away(self) -> bool:
        """Whether no battle can begin because every pair has made room for a training run."""
        return bool(self._served) and not self._here()

    @property
    def chinese_only(self) -> bool:
        """Whether a battle may have a pair that makes no sense of English."""
        return any(pair.chinese_only for pair in self.pairs())

    def add(self, pair: Pair, engine: Engine) -> None:
        """From now on battles begin on this pair too. Raises ``NotStored`` and changes nothing."""
        served = what_is_served(pair)
        with self._changing:
            with self._store.transaction() as transaction:
                self.epochs.current(transaction, pair.id, served)
            if (before := self._known.get(pair.id)) is not None:
                self._retired.append(before.engine)
            # Whole new dictionaries: whoever is reading goes on with what was there.
            self._known = {**self._known, pair.id: Offered(pair, engine)}
            self._served = {**self._served, pair.id: served}

    def leave_out(self, pair_id: str) -> None:
        """No battle begins on this pair any more; those under way go on."""
        with self._changing:
            self._served = {k: v for k, v in self._served.items() if k != pair_id}

    def bring_back(self, pair_id: str) -> None:
        """Battles begin on a pair again that was left out, or that is there anyway."""
        with self._changing:
            pair = self._known[pair_id].pair
            served = what_is_served(pair)
            with self._store.transaction() as transaction:
                self.epochs.current(transaction, pair_id, served)
            self._served = {**self._served, pair_id: served}

    def close_epoch(self, epoch: str) -> None:
        """Close an epoch for good; a pair that is served is in a new one at once.

        Battles under way in it end. Raises ``AlreadyStored`` for one that is closed.
        """
        self.epochs.close(epoch)
        with self._changing, self._store.transaction() as transaction:
            self.epochs_now(transaction)

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Nothing is added or left out inside."""
        with self._changing:
            yield

    def drawn(self) -> str | None:
        """The id of a pair at random, of those that have not made room for training."""
        here = self._here()
        return self._draw.choice(here) if here else None

    def epochs_now(self, transaction: Transaction) -> dict[str, Epoch]:
        """The open epoch of each served pair; all of them at once, or a new one would tell."""
        return {
            name: self.epochs.current(transaction, name, served)
            for name, served in self._served.items()
        }

    def answering(self, pair_id: str, epoch: str) -> Offered | None:
        """What answers in a battle of this epoch; ``None`` once the epoch has closed, or when its
        pair was not served since the app started."""
        with self._changing:
            return None if self.epochs.is_closed(epoch) else self._known.get(pair_id)

    def is_away(self, pair_id: str) -> bool:
        """Whether this pair has made room for training."""
        offered = self._known.get(pair_id)
        return offered is not None and offered.engine.away

    def close(self) -> None:
        for engine in [*(offered.engine for offered in self._known.values()), *self._retired]:
            engine.close()

    def _here(self) -> list[str]:
        served = self._served
        return [name for name in sorted(served) if not self.is_away(name)]
