"""A store, and its members as the app and the command line open them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_arena.access.identity import Identities
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.records.store import DATABASE_NAME, EventStore

SECRET = b"one secret for tests"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(tmp_path / DATABASE_NAME)
    yield opened
    opened.close()


@pytest.fixture
def members(store: EventStore) -> Members:
    return Members(store, keyed_by(SECRET))


@pytest.fixture
def identities(members: Members) -> Identities:
    return Identities(SECRET, members)
