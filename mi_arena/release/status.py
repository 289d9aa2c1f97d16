"""The last release that was pushed, as the records tell it, and what came since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mi_arena.records.events import Event
from mi_arena.records.payloads import Kind
from mi_arena.records.release_events import ReleasePushed
from mi_arena.records.store import EventStore, Unreadable
from mi_arena.release.tables import STORED, Table

LAST_RELEASE = "last_release.json"
"""A file beside the records in which earlier versions noted it; read where no event tells."""


@dataclass(frozen=True)
class LastRelease:
    """A release that is on the Hub."""

    pushed_at: datetime
    told: ReleasePushed


def last_release(store: EventStore) -> LastRelease | None:
    """The last release of these records, ``None`` where there was none. Raises ``Unreadable``."""
    # By time: what a restore puts back stands behind what came meanwhile.
    events = sorted(store.events("release_pushed"), key=lambda event: event.created_at)
    if not events:
        return _noted_in(store.path.with_name(LAST_RELEASE))
    told = events[-1].payload
    assert isinstance(told, ReleasePushed)
    return LastRelease(events[-1].created_at, told)


def note_release(store: EventStore, pushed: ReleasePushed) -> None:
    """Keep it in the records, from where a restore brings it back. Raises ``StoreError``."""
    last = last_release(store)
    if last is None or last.told != pushed:
        store.append(Event.of(pushed, role="admin"))


def since(told: ReleasePushed, table: Table, stored: Mapping[Kind, int]) -> int:
    """How many records of a table came after a release; below 0 if it counts more than there are.

    ``stored``: how many events of each kind there are.
    """
    counts = told.tables.get(table)
    counted = counts.released + sum(counts.left_out.values()) if counts else 0
    return sum(stored.get(kind, 0) for kind in STORED[table]) - counted


def _noted_in(path: Path) -> LastRelease | None:
    try:
        noted = json.loads(path.read_bytes())
        held = {name: noted["held"][name] for name in ("events", "tombstones", "tables")}
        told = ReleasePushed(repo=noted["repo"], commit=noted["commit"], **held)
        return LastRelease(datetime.fromisoformat(noted["pushed_at"]), told)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise Unreadable(f"{path} cannot be read; delete it and push the release again") from None
