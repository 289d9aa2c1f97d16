"""A publisher from what is set."""

from __future__ import annotations

import logging
from contextlib import closing, suppress

from huggingface_hub import get_token

from mi_arena.publishing.alarms import Alarm
from mi_arena.publishing.index import INDEX_NAME, ShardIndex
from mi_arena.publishing.outbox import Outbox
from mi_arena.publishing.private_dataset import open_dataset
from mi_arena.publishing.publisher import Publisher
from mi_arena.records.store import EventStore, StoreError
from mi_arena.settings import NOWHERE, PREFIX, Settings, SettingsError

log = logging.getLogger(__name__)


def open_publisher(settings: Settings, store: EventStore) -> Publisher | None:
    """Started, with the store taking nothing until it has restored; ``None`` without a dataset.

    Raises ``SettingsError`` where a token is missing, ``Unreadable``.
    """
    dataset = settings.published_to
    if dataset is None:
        _publish_no_more(settings)
        return None
    token = get_token()
    if not token:
        raise SettingsError(
            f"HF_TOKEN: must be set with {PREFIX}DATASET, to a token that may write that dataset"
        )
    index = ShardIndex(settings.data / INDEX_NAME)
    publisher = Publisher(
        store,
        index,
        Outbox(store, index, open_dataset(dataset, token)),
        events=settings.publish_events,
        seconds=settings.publish_seconds,
    )
    index.note("publishing", {"dataset": dataset, "seconds": settings.publish_seconds})
    index.note("off", None)
    publisher.start()
    return publisher


def _publish_no_more(settings: Settings) -> None:
    """Where a folder was published once, whoever asks is told whether its end is meant."""
    path = settings.data / INDEX_NAME
    meant = settings.dataset == NOWHERE
    with suppress(StoreError):  # what is not published needs no index to be stored
        if path.is_file():
            with closing(ShardIndex(path)) as index:
                index.note("off", "meant" if meant else "not_set")
                index.note("taking", True)
                index.note("another_copy", None)
            if not meant:
                log.warning("publishing: %s", Alarm.of("not_set").line)
