"""From the private dataset back into the store: every event that is there and not here.

The same at a boot and when another process has committed meanwhile. It only ever adds, here; in the
dataset nothing is touched.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from mi_arena.publishing.faults import BadShard
from mi_arena.publishing.index import ShardIndex
from mi_arena.publishing.private_dataset import PrivateDataset, is_named
from mi_arena.publishing.shards import boot_of, from_bytes
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore

FETCHED_NAME = "restoring"
"""The folder inside the data directory for shards on their way; what a failed try fetched, the next
need not fetch again."""
AT_ONCE = 8
"""Shards that are fetched side by side."""
TRIES = 2
"""How often a shard is downloaded that comes with another content than is listed."""
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass
class Contents:
    """What was read of a shard."""

    ids: list[str] = field(default_factory=list)
    newest: datetime = BEFORE_ALL
    """When the last of its events was made."""

    def add(self, event: Event) -> None:
        self.ids.append(event.event_id)
        self.newest = max(self.newest, event.created_at)


class CaughtUp(NamedTuple):
    """The head at which store and index were as the dataset, and the shards, by path, that the
    index did not know before."""

    head: str
    new: Mapping[str, Contents]


def catch_up(dataset: PrivateDataset, store: EventStore, index: ShardIndex) -> CaughtUp:
    """Bring store and index to what the dataset holds.

    Raises ``DatasetFault`` or ``StoreError``, and then no event was added.
    """
    head = dataset.head()
    there = dataset.shards(head)
    index.keep_only(there)
    here = {event_id for _, event_id in store.ids()}
    new = there.keys() - index.known().keys()
    # Also those read before whose events are not here any more: the disk may be an older one.
    unread = new | index.paths_of(index.ids() - here)
    read: dict[str, Contents] = {path: Contents() for path in unread}
    if unread:
        folder = store.path.with_name(FETCHED_NAME)
        _fetch(dataset, head, {path: there[path] for path in unread}, folder)
        store.put_back(_events(folder, {path: there[path] for path in sorted(unread)}, read))
        index.add({path: (there[path], read[path].ids) for path in unread})
        shutil.rmtree(folder, ignore_errors=True)
    return CaughtUp(head, {path: read[path] for path in new})


def _fetch(dataset: PrivateDataset, head: str, wanted: Mapping[str, str], folder: Path) -> None:
    """Each into a file that is named by its content. Raises ``DatasetFault``."""
    folder.mkdir(parents=True, exist_ok=True)

    def fetch(path: str) -> None:
        file, name = folder / wanted[path], wanted[path]
        # An answer may end early, and a power cut may leave a file empty under its name: only the
        # content tells.
        if file.exists() and is_named(file.read_bytes(), name):
            return
        for _ in range(TRIES):
            if is_named(content := dataset.read(path, head), name):
                file.write_bytes(content)
                return
        raise BadShard(
            f"{path}: what was downloaded ({len(content)} bytes) is not what the dataset lists"
        )

    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="restoring")
    try:
        for _ in pool.map(fetch, wanted):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _events(
    folder: Path, wanted: Mapping[str, str], read: Mapping[str, Contents]
) -> Iterator[Event]:
    """The events of the shards; notes them in ``read``.

    Those of one process come in the order in which it published them. Those of several go by their
    time: any of them may go on with what another began.
    """

    def published(paths: Iterable[str]) -> Iterator[Event]:
        for path in paths:
            for event in from_bytes(path, (folder / wanted[path]).read_bytes()):
                read[path].add(event)
                yield event

    by_boot: dict[str, list[str]] = defaultdict(list)
    for path in wanted:
        by_boot[boot_of(path)].append(path)
    return merge(*map(published, by_boot.values()), key=lambda event: event.created_at)
