"""How much is stored, how much of it is in the private dataset, and where the counts don't add up.

Read from the store and from the index beside it, so that any process may ask while the app runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mi_arena.publishing.alarms import Alarm, Code
from mi_arena.publishing.index import INDEX_NAME, ShardIndex
from mi_arena.records.payloads import Kind
from mi_arena.records.release_events import ReleasePushed
from mi_arena.records.results_query import epochs, judgements_of_no_battle
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.records.votes import Votes
from mi_arena.release.status import LastRelease, last_release, since
from mi_arena.release.tables import TABLES
from mi_arena.study.exclusions import jump

NOT_PUBLISHED = "nothing is published from this folder: MI_ARENA_DATASET is not set for its app"
NO_RELEASE = "nothing was released of these records yet"
LATE = 5
"""An event is late when it has waited so many times as long as it should at most, and"""
LATE_SECONDS = 600.0
"""at least so long: a Hub that is away for minutes is no alarm."""
OVERLAP_SECONDS = 600.0
"""How long the copy before may go on beside a new one, where an app restarts."""


@dataclass(frozen=True)
class InDataset:
    """What is known of the private dataset here. ``stored = published + waiting``, and
    ``in_dataset = published + only_there``."""

    dataset: str | None
    events_in_dataset: int
    events_published: int
    """Of those in the store."""
    events_waiting: int
    events_only_there: int
    events_doubled: int
    """Lines of shards beyond the first with the same event."""
    judgements_published: int
    judgements_waiting: int
    oldest_waiting_seconds: float | None
    another_copy: dict[str, Any] | None
    """What another copy of the app has published since this one was restored: ``events``, and
    ``seconds`` from then until the last of them was made."""
    off: Literal["meant", "not_set"] | None
    """Why the app publishes nothing any more; ``None`` while it does."""
    taking: bool | None
    """Whether the store takes anything: not before everything is restored."""
    last_commit: dict[str, Any] | None
    """``id``, ``at``, ``events``."""
    last_error: dict[str, Any] | None
    """``type``, ``line``, ``at``."""


@dataclass(frozen=True)
class Table:
    """Of one table of the last release."""

    released: int
    left_out: dict[str, int]
    """Those that are not in it, by reason."""
    not_counted: int = 0
    """Of those in it: the study's own tables leave them out."""


@dataclass(frozen=True)
class Released:
    """The last release, and what has come since."""

    repo: str
    commit: str
    pushed_at: str
    tables: dict[str, Table]
    judgements_since: int
    """Stored and neither in it nor among those that it left out: they came later."""


@dataclass(frozen=True)
class Status:
    """``publishing`` and ``release`` are ``None`` for the reason beside them."""

    at: str
    battles_started: int
    judgements_acknowledged: int
    """Those stored: none is acknowledged before."""
    events_stored: int
    publishing: InDataset | None
    publishing_reason: str | None
    release: Released | None
    release_reason: str | None
    alarms: list[Alarm]
    notices: list[Alarm] = field(default_factory=list)
    """What is to be known and may well be meant."""

    def json(self) -> dict[str, Any]:
        return asdict(self) | {
            "alarms": [alarm.line for alarm in self.alarms],
            "notices": [notice.line for notice in self.notices],
        }


def read_status(data: Path, now: datetime | None = None) -> Status:
    """The status of a data folder. Raises ``StoreError``."""
    moment = now or datetime.now(UTC)
    # The index and the last release first: what they tell of is stored already.
    known = _read_index(data / INDEX_NAME)
    store = EventStore(data / DATABASE_NAME, read_only=True)
    try:
        last = last_release(store)
        with store.reading() as connection:
            rows = connection.exec_driver_sql("SELECT event_id, kind, created_at FROM events")
            stored = {row.event_id: _Stored(row.kind, row.created_at) for row in rows}
        alarms = [*_excluding(store), *_of_no_battle(store)]
    finally:
        store.close()
    count = Counter(one.kind for one in stored.values())
    publishing = None
    if last is not None:
        alarms += _of_the_release(last.told, count)
    if known is not None:
        publishing = _in_dataset(known, stored, moment)
        alarms += alarms_of(publishing, float(known.said.get("seconds", 0)))
    return Status(
        at=moment.isoformat(),
        battles_started=count["battle_started"],
        judgements_acknowledged=count["judgement"],
        events_stored=len(stored),
        publishing=publishing,
        publishing_reason=NOT_PUBLISHED if known is None else None,
        release=None if last is None else _released(last, count),
        release_reason=NO_RELEASE if last is None else None,
        alarms=[one for one in alarms if not one.is_notice],
        notices=[one for one in alarms if one.is_notice],
    )


def _excluding(store: EventStore) -> list[Alarm]:
    """One for each open epoch in which a large share of votes, or a larger one than before,
    doesn't count."""
    votes = Votes(store)
    jumps = [(one.id, jump(votes.flags(one.id))) for one in epochs(store) if one.closed_at is None]
    return [
        Alarm.of("not_counted", epoch=epoch, share=found.latest or 0.0, judgements=found.n_latest)
        for epoch, found in jumps
        if found.alarm
    ]


def _of_no_battle(store: EventStore) -> list[Alarm]:
    count = judgements_of_no_battle(store)
    return [Alarm.of("no_battle", judgements=count)] if count else []


def _of_the_release(told: ReleasePushed, count: Mapping[Kind, int]) -> list[Alarm]:
    """One for each table of which it counts more than is stored."""
    return [
        Alarm.of("released_more", table=table, records=-came)
        for table in TABLES
        if (came := since(told, table, count)) < 0
    ]


def alarms_of(there: InDataset, seconds: float) -> list[Alarm]:
    """One for everything that is not as it should be, and notices; ``seconds``: how long an event
    may wait.

    Pure, so that its cases can be listed.
    """
    oldest = there.oldest_waiting_seconds or 0.0
    alarms: list[Alarm] = []
    if there.taking is False:
        alarms.append(Alarm.of("not_restored"))
    if there.events_only_there:
        alarms.append(Alarm.of("only_there", events=there.events_only_there))
    if there.events_doubled:
        alarms.append(Alarm.of("doubled", events=there.events_doubled))
    if (other := there.another_copy) is not None:
        code: Code = "another_copy" if other["seconds"] > OVERLAP_SECONDS else "overlap"
        alarms.append(Alarm.of(code, events=other["events"]))
    if there.off == "not_set":
        alarms.append(Alarm.of("not_set"))
    elif there.off == "meant":
        alarms.append(Alarm.of("kept_here", events=there.events_waiting))
    elif oldest > max(LATE * seconds, LATE_SECONDS):
        alarms.append(Alarm.of("late", events=there.events_waiting, seconds=oldest))
    return alarms


def _released(last: LastRelease, count: Mapping[Kind, int]) -> Released:
    return Released(
        repo=last.told.repo,
        commit=last.told.commit,
        pushed_at=last.pushed_at.isoformat(),
        tables={
            name: Table(counts.released, dict(counts.left_out), counts.not_counted)
            for name, counts in last.told.tables.items()
        },
        judgements_since=max(0, since(last.told, "judgements", count)),
    )


class _Stored(NamedTuple):
    kind: Kind
    created_at: str


@dataclass(frozen=True)
class _Known:
    ids: set[str]
    lines: int
    notes: Mapping[str, Any]

    @property
    def said(self) -> Mapping[str, Any]:
        """What the app said of itself when it started."""
        said = self.notes.get("publishing")
        return said if isinstance(said, dict) else {}


def _read_index(path: Path) -> _Known | None:
    if not path.is_file():
        return None
    index = ShardIndex(path, read_only=True)
    try:
        return _Known(index.ids(), index.lines(), index.notes())
    finally:
        index.close()


def _in_dataset(known: _Known, stored: Mapping[str, _Stored], now: datetime) -> InDataset:
    """``stored`` by id."""
    waiting = [one for event_id, one in stored.items() if event_id not in known.ids]
    oldest = min((datetime.fromisoformat(one.created_at) for one in waiting), default=None)
    judged = sum(one.kind == "judgement" for one in stored.values())
    judged_waiting = sum(one.kind == "judgement" for one in waiting)
    return InDataset(
        dataset=known.said.get("dataset"),
        events_in_dataset=len(known.ids),
        events_published=len(stored) - len(waiting),
        events_waiting=len(waiting),
        events_only_there=len(known.ids - stored.keys()),
        events_doubled=known.lines - len(known.ids),
        judgements_published=judged - judged_waiting,
        judgements_waiting=judged_waiting,
        oldest_waiting_seconds=None if oldest is None else (now - oldest).total_seconds(),
        another_copy=known.notes.get("another_copy"),
        off=known.notes.get("off"),
        taking=known.notes.get("taking"),
        last_commit=known.notes.get("last_commit"),
        last_error=known.notes.get("last_error"),
    )
