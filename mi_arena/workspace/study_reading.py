"""The study's records, opened by a script that only reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mi_arena.access.keyed import keyed_by
from mi_arena.jobs.script import BadInput
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.workspace.ledger import Books, Ledger
from mi_arena.workspace.material import MaterialStore


@dataclass(frozen=True)
class StudyRead:
    """The records as they stand."""

    store: EventStore
    books: Books
    material: MaterialStore


def database_in(folder: Path, option: str = "--data") -> Path:
    """The database in an app's data folder. Raises ``BadInput`` in the words of ``option``."""
    database = folder / DATABASE_NAME
    if not database.is_file():
        raise BadInput(f"{option}: there is no {database}: name the app's data folder")
    return database


@contextmanager
def study_read(folder: Path, option: str = "--data") -> Iterator[StudyRead]:
    """Raises ``BadInput`` where there are no records, ``StoreError`` where they can't be read."""
    store = EventStore(database_in(folder, option), read_only=True)
    try:
        ledger = Ledger(store)
        # Ids are only compared with each other here, so any key does.
        material = MaterialStore(store, ledger, keyed_by(b"read only"))
        yield StudyRead(store, ledger.now(), material)
    finally:
        store.close()
