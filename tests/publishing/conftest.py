"""A private dataset on a stand-in of the Hub, and what of it a test reads back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import _http, close_session

from mi_arena.publishing.index import INDEX_NAME, ShardIndex
from mi_arena.publishing.outbox import Outbox
from mi_arena.publishing.private_dataset import PrivateDataset
from mi_arena.publishing.shards import from_bytes
from mi_arena.records.battle_events import Judgement
from mi_arena.records.events import Event
from mi_arena.records.store import DATABASE_NAME, EventStore
from tests.training.on_hub.hub_stand_in import TOKEN, HubStandIn, Repo

REPO = "me/arena-records"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """With an empty private dataset; the client's own tries follow each other without a wait."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    with HubStandIn(repos={REPO: Repo(private=True)}) as server:
        yield server
        close_session()


@pytest.fixture
def dataset(hub: HubStandIn) -> PrivateDataset:
    return dataset_on(hub)


def dataset_on(hub: HubStandIn) -> PrivateDataset:
    return PrivateDataset(REPO, HfApi(endpoint=hub.endpoint, token=TOKEN))


def judgement(battle: str = "b", rater: str = "ann", reason: str = "更会听") -> Event:
    verdict = Judgement(
        battle=battle,
        overall="A",
        reason=reason,
        rounds=2,
        ordinal=1,
        form_version="1",
        receipt_hash="r",
    )
    return Event.of(verdict, role="public", epoch="e", rater=rater)


def open_store(folder: Path) -> EventStore:
    return EventStore(folder / DATABASE_NAME)


def open_index(folder: Path) -> ShardIndex:
    return ShardIndex(folder / INDEX_NAME)


def open_outbox(folder: Path, dataset: PrivateDataset) -> Outbox:
    return Outbox(open_store(folder), open_index(folder), dataset)


def published(hub: HubStandIn) -> list[Event]:
    """Every line of every shard, in the order of their names."""
    with hub.changed:
        files = dict(hub.repos[REPO].files)
    return [event for path in sorted(files) for event in from_bytes(path, files[path])]
