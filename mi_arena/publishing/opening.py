"""A publisher from what is set."""

from __future__ import annotations

from huggingface_hub import get_token

from mi_arena.publishing.index import INDEX_NAME, ShardIndex
from mi_arena.publishing.outbox import Outbox
from mi_arena.publishing.private_dataset import open_dataset
from mi_arena.publishing.publisher import Publisher
from mi_arena.records.store import EventStore
from mi_arena.settings import PREFIX, Settings, SettingsError


def open_publisher(settings: Settings, store: EventStore) -> Publisher | None:
    """Started, with the store taking nothing until it has restored; ``None`` without a dataset.

    Raises ``SettingsError`` where a token is missing, ``Unreadable``.
    """
    if settings.dataset is None:
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
        Outbox(store, index, open_dataset(settings.dataset, token)),
        events=settings.publish_events,
        seconds=settings.publish_seconds,
    )
    index.note("publishing", {"dataset": settings.dataset, "seconds": settings.publish_seconds})
    publisher.start()
    return publisher
