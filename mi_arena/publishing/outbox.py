"""What is in the store and not yet in the private dataset, on its way there, exactly once.

A commit is made onto a head whose every shard is known here, and the Hub refuses it when another
came first: so no event is ever put into a second shard. When an answer got lost, the next try
begins with a look at the head, where the shard stands or does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mi_arena.publishing.faults import Moved
from mi_arena.publishing.index import ShardIndex
from mi_arena.publishing.private_dataset import PrivateDataset, blob_id
from mi_arena.publishing.restore import Contents, catch_up
from mi_arena.publishing.shards import Names, Shard, boot_of, cut
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore

SHARD_BYTES = 1_000_000
"""Well below what the Hub keeps as a large file, with requests of its own."""
COMMIT_BYTES = 8_000_000
MOVES = 5
"""How often in a row another commit may come first before it counts as a fault."""


@dataclass(frozen=True)
class Commit:
    """What has landed."""

    id: str
    at: datetime
    events: int


@dataclass(frozen=True)
class AnotherCopy:
    """What came from another data folder since this one was restored."""

    events: int
    seconds: float
    """From the restoring until the last of them was made; negative where that was before."""


class Outbox:
    """For one thread."""

    def __init__(
        self,
        store: EventStore,
        index: ShardIndex,
        dataset: PrivateDataset,
        names: Names | None = None,
    ):
        self._store, self._index, self._dataset = store, index, dataset
        self._names = names or Names()
        self._head: str | None = None
        """Known whole; ``None`` when it must be looked at first."""
        self._done = 0
        """Every event up to this number is in the dataset."""
        self._restored: datetime | None = None
        self.another_copy: AnotherCopy | None = None
        """If there is one: seen when another commit came before ours."""

    def catch_up(self) -> None:
        """Take in what the dataset holds. Raises ``DatasetFault`` or ``StoreError``."""
        self._head = None
        found = catch_up(self._dataset, self._store, self._index)
        if self._restored is None:
            self._restored = datetime.now(UTC)
        else:
            self._see(found.new, self._restored)
        self._head = found.head
        self._done = 0  # a shard may be gone that was there

    def _see(self, new: Mapping[str, Contents], restored: datetime) -> None:
        """Whose the shards are that have come since. Ours, when an answer was lost; those of
        another process on this folder are in the index."""
        theirs = [shard for path, shard in new.items() if boot_of(path) != self._names.boot]
        if theirs:
            events = sum(len(shard.ids) for shard in theirs)
            seconds = (max(shard.newest for shard in theirs) - restored).total_seconds()
            if (before := self.another_copy) is not None:
                events, seconds = events + before.events, max(seconds, before.seconds)
            self.another_copy = AnotherCopy(events, seconds)

    def waiting(self) -> list[str]:
        """The ids of the events that are not in the dataset, in the store's order."""
        stored = self._store.ids(after_seq=self._done)
        waiting = self._index.missing([event_id for _, event_id in stored])
        first = waiting[0] if waiting else None
        for number, event_id in stored:
            if event_id == first:
                break
            self._done = number
        return waiting

    def publish(self) -> Commit | None:
        """One commit of the oldest waiting events; ``None`` when none waits.

        Raises ``DatasetFault`` or ``StoreError``; nothing is lost by either.
        """
        for left in reversed(range(MOVES)):
            if self._head is None:
                self.catch_up()
            try:
                return self._commit()
            except Moved:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _commit(self) -> Commit | None:
        waiting = self.waiting()
        if not waiting:
            return None
        shards = {self._names.next(): shard for shard in self._some(waiting)}
        count = sum(len(shard.ids) for shard in shards.values())
        onto, self._head = self._head, None
        assert onto is not None
        head = self._dataset.commit(
            {path: shard.content for path, shard in shards.items()}, f"{count} events", onto
        )
        self._index.add(
            {path: (blob_id(shard.content), shard.ids) for path, shard in shards.items()}
        )
        self._head = head
        return Commit(head, datetime.now(UTC), count)

    def _some(self, waiting: Collection[str]) -> Iterator[Shard]:
        size = 0
        for shard in cut(self._events(frozenset(waiting)), SHARD_BYTES):
            size += len(shard.content)
            if size > COMMIT_BYTES and size > len(shard.content):
                return
            yield shard

    def _events(self, waiting: Collection[str]) -> Iterator[Event]:
        for event in self._store.events(after_seq=self._done):
            if event.event_id in waiting:
                yield event
