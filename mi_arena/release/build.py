"""A release's folder from an app's data folder: whole or not at all, alike for the same record."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, select

from mi_arena.jobs.script import BadInput
from mi_arena.jobs.whole_folder import whole_folder
from mi_arena.records.battle_events import ConsentGiven
from mi_arena.records.release_events import TableCounts
from mi_arena.records.schema import events_table
from mi_arena.records.store import DATABASE_NAME, EventStore, StoreError, cause_of
from mi_arena.release.card import card
from mi_arena.release.consent import notices
from mi_arena.release.epochs import epochs_told
from mi_arena.release.manifest import MANIFEST, Manifest, read_manifest
from mi_arena.release.parquet import write_table
from mi_arena.release.pseudonyms import Pseudonyms
from mi_arena.release.records import Projection, project
from mi_arena.release.tables import TABLES
from mi_arena.release.tombstones import tombstones
from mi_arena.study.release_reading import EPOCHS, TOMBSTONES
from mi_arena.workspace.study_reading import database_in

CARD = "README.md"
LICENCE = "cc-by-4.0"


@dataclass(frozen=True)
class Built:
    """What a release holds, and what is not told in it."""

    manifest: Manifest
    open_work: int
    """Experts' unfinished work on dialogues in it: its raters could look up the systems."""


def build(data: Path, secret: bytes, out: Path, licence: str = LICENCE) -> Built:
    """Write the release of the records in ``data`` to ``out``, in place of an older one.

    What is stored while it is written is for the next one. Raises ``BadInput``, ``OSError``.
    """
    check_target(out)
    database = database_in(data)
    try:
        with _snapshot(database) as store, whole_folder(out, check_target) as folder:
            return _write(store, secret, folder, licence)
    except StoreError as error:
        raise BadInput(f"--data: {error}") from None


def check_target(out: Path) -> None:
    """Raises ``BadInput`` where something else than a release would be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        read_manifest(out)
    except BadInput:
        raise BadInput(
            f"--out {out}: holds something else than a release; name another folder"
        ) from None


@contextmanager
def _snapshot(database: Path) -> Iterator[EventStore]:
    """The record at one moment, however long the reading takes. Raises ``StoreError``."""
    EventStore(database, read_only=True).close()  # says in its own words why it can't be read
    with TemporaryDirectory(prefix="mi-arena-release-") as folder:
        copy = Path(folder) / DATABASE_NAME
        try:
            address = f"{database.absolute().as_uri()}?mode=ro"
            with (
                closing(sqlite3.connect(address, uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise StoreError(f"{database} cannot be read: {cause_of(error)}") from None
        store = EventStore(copy)
        try:
            yield store
        finally:
            store.close()


def _write(store: EventStore, secret: bytes, folder: Path, licence: str) -> Built:
    made = project(store, secret)
    epochs = epochs_told(store, secret, made.withheld)
    gone = tombstones(store.events("withdrawn"), Pseudonyms(secret))
    manifest = _manifest(store, made, len(gone))
    for table in TABLES:
        write_table(folder, table, made.rows[table])
    _write_json(folder / EPOCHS, [epoch.model_dump(mode="json") for epoch in epochs])
    lines = [json.dumps(one) + "\n" for one in gone]
    (folder / TOMBSTONES).write_text("".join(lines), encoding="utf-8")
    _write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    languages = {str(row["lang"]) for row in made.rows["battles"]}
    text = card(manifest, epochs, languages, notices(), licence)
    (folder / CARD).write_text(text, encoding="utf-8")
    return Built(manifest, made.open_work)


def _manifest(store: EventStore, made: Projection, gone: int) -> Manifest:
    with store.reading() as connection:
        newest = connection.execute(select(func.max(events_table.c.created_at))).scalar()
    return Manifest(
        events=store.count(),
        newest=newest and newest[:10],
        tables={
            table: TableCounts(
                released=len(made.rows[table]),
                left_out=dict(sorted(made.left_out[table].items())),
                not_counted=sum(row["excluded_reason"] is not None for row in made.rows[table]),
            )
            for table in TABLES
        },
        tombstones=gone,
        masked=dict(sorted(made.masked.items())),
        consents=_consents(store, made.raters),
    )


def _consents(store: EventStore, raters: Collection[str]) -> dict[str, int]:
    last: dict[str, str] = {}
    for event in store.events("consent_given"):
        if isinstance(event.payload, ConsentGiven) and event.rater is not None:
            last[event.rater] = event.payload.version
    return dict(sorted(Counter(last[rater] for rater in raters if rater in last).items()))


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
