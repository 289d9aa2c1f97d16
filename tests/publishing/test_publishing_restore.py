"""A lost, older or newer disk against what the dataset holds."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from mi_arena.publishing.faults import BadShard, Busy
from mi_arena.publishing.index import INDEX_NAME
from mi_arena.publishing.private_dataset import PrivateDataset
from mi_arena.publishing.restore import FETCHED_NAME
from mi_arena.records.battle_events import ConsentGiven
from mi_arena.records.events import Event
from mi_arena.records.schema import events_table
from mi_arena.records.store import DATABASE_NAME, EventStore
from tests.publishing.conftest import REPO, judgement, open_outbox, open_store, published
from tests.training.on_hub.hub_stand_in import Fault, HubStandIn


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The data folder of a process that has published, in three shards."""
    return tmp_path / "before"


@pytest.fixture
def stored(before: Path, dataset: PrivateDataset) -> list[Event]:
    outbox, store = open_outbox(before, dataset), open_store(before)
    for number in range(3):
        store.append_all(judgement(f"b{number}", rater) for rater in ("ann", "bo"))
        consent = ConsentGiven(version=f"第{number}版", lang="zh")
        store.append(Event.of(consent, role="public", rater="ann"))
        outbox.publish()
    return list(store.events())


def rows(folder: Path) -> list[tuple[object, ...]]:
    with open_store(folder).reading() as connection:
        return [tuple(row) for row in connection.execute(select(events_table))]


def reads(hub: HubStandIn) -> int:
    return sum("/resolve/" in call for call in hub.calls)


def test_a_lost_disk_comes_back_row_by_row(
    dataset: PrivateDataset, tmp_path: Path, before: Path, stored: list[Event]
) -> None:
    outbox = open_outbox(tmp_path / "new", dataset)
    outbox.catch_up()
    assert rows(tmp_path / "new") == rows(before) and len(stored) == 9
    assert outbox.waiting() == [] and outbox.publish() is None
    assert {file.name.split("-")[0] for file in (tmp_path / "new").iterdir()} == {
        DATABASE_NAME,
        INDEX_NAME,
    }


def test_a_restart_reads_no_shard_that_was_read_before(
    hub: HubStandIn, dataset: PrivateDataset, before: Path, stored: list[Event]
) -> None:
    open_outbox(before, dataset).catch_up()
    assert reads(hub) == 0


@pytest.mark.parametrize("harm", ["gone", "damaged", "empty"])
def test_the_index_is_a_cache(
    hub: HubStandIn, dataset: PrivateDataset, before: Path, stored: list[Event], harm: str
) -> None:
    for file in before.glob(f"{INDEX_NAME}*"):
        file.unlink()
    if harm != "gone":
        (before / INDEX_NAME).write_text("no database at all" * 100 if harm == "damaged" else "")
    outbox = open_outbox(before, dataset)
    outbox.catch_up()
    assert outbox.publish() is None and reads(hub) == 3
    assert rows(before)[-1][0] == len(stored)


def test_an_older_disk_is_filled_and_a_newer_one_published(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path, before: Path, stored: list[Event]
) -> None:
    old = open_store(tmp_path / "old")
    old.append_all(stored[:2])
    shutil.copy(before / INDEX_NAME, tmp_path / "old" / INDEX_NAME)  # it knows all the shards
    own = old.append(judgement("never published"))
    outbox = open_outbox(tmp_path / "old", dataset)
    commit = outbox.publish()
    assert commit is not None and commit.events == 1
    assert sorted(map(str, old.events())) == sorted(map(str, [*stored, own]))
    assert published(hub) == [*stored, own]


def test_an_event_that_a_constraint_refuses_stays_where_it_is(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path, stored: list[Event]
) -> None:
    """Two processes took a judgement each on the same battle while neither saw the other."""
    store = open_store(tmp_path / "other")
    other = store.append(judgement("b0", "ann", "另一份"))
    outbox = open_outbox(tmp_path / "other", dataset)
    outbox.publish()
    assert outbox.publish() is None
    kept = list(store.events())
    assert other in kept and stored[0] not in kept and len(kept) == len(stored)
    assert published(hub) == [*stored, other]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda content: content[:-9], "breaks off in line 3"),
        (lambda content: content + b"{}\n", "line 4"),
        (lambda content: b"\xff\n" + content, "line 1"),
        (lambda content: content.replace(b"judgement", b"confession"), "line 1: kind"),
        (lambda content: content.replace(b'"rounds"', '"我想戒烟"'.encode()), "line 1: payload"),
    ],
)
def test_a_bad_shard_is_named_and_nothing_is_restored(
    hub: HubStandIn,
    dataset: PrivateDataset,
    tmp_path: Path,
    stored: list[Event],
    change: object,
    where: str,
) -> None:
    path = sorted(hub.repos[REPO].files)[1]
    hub.repos[REPO].files[path] = change(hub.repos[REPO].files[path])  # type: ignore[operator]
    with pytest.raises(BadShard, match=where) as raised:
        open_outbox(tmp_path / "new", dataset).catch_up()
    assert path in str(raised.value) and "戒烟" not in str(raised.value)
    assert "\n" not in str(raised.value) and open_store(tmp_path / "new").count() == 0


LARGE = pytest.mark.parametrize("large", [False, True], ids=["small", "kept as large"])
BROKEN = pytest.mark.parametrize(
    "broken", [lambda content: b"", lambda content: content[: content.index(b"\n") + 1]],
    ids=["empty", "cut at the end of a line"],
)  # fmt: skip


def as_kept(hub: HubStandIn, large: bool) -> str:
    """The second shard, as the Hub may keep it; its path."""
    path = sorted(hub.repos[REPO].files)[1]
    if large:
        hub.repos[REPO].kept_large.add(path)
    return path


@LARGE
@BROKEN
def test_what_was_fetched_is_checked_before_it_is_used(
    hub: HubStandIn,
    dataset: PrivateDataset,
    tmp_path: Path,
    before: Path,
    stored: list[Event],
    large: bool,
    broken: Callable[[bytes], bytes],
) -> None:
    """As a power cut leaves a file, or an answer that ended early and whole lines of it came."""
    path = as_kept(hub, large)
    whole = hub.repos[REPO].files[path]
    folder = tmp_path / "new" / FETCHED_NAME
    folder.mkdir(parents=True)
    (folder / dataset.shards(dataset.head())[path]).write_bytes(broken(whole))
    hub.repos[REPO].broken[path] = [broken(whole)]
    open_outbox(tmp_path / "new", dataset).catch_up()
    assert rows(tmp_path / "new") == rows(before)


@LARGE
@BROKEN
def test_what_comes_broken_again_keeps_everything_closed_until_it_comes_whole(
    hub: HubStandIn,
    dataset: PrivateDataset,
    tmp_path: Path,
    before: Path,
    stored: list[Event],
    large: bool,
    broken: Callable[[bytes], bytes],
) -> None:
    path = as_kept(hub, large)
    hub.repos[REPO].broken[path] = [broken(hub.repos[REPO].files[path])] * 2
    outbox = open_outbox(tmp_path / "new", dataset)
    with pytest.raises(BadShard, match="is not what the dataset lists") as raised:
        outbox.catch_up()
    assert path in str(raised.value) and "\n" not in str(raised.value)
    assert open_store(tmp_path / "new").count() == 0
    outbox.catch_up()
    assert rows(tmp_path / "new") == rows(before) and outbox.publish() is None


def test_a_shard_that_is_kept_as_large_is_read_once(
    hub: HubStandIn, dataset: PrivateDataset, before: Path, stored: list[Event]
) -> None:
    as_kept(hub, large=True)
    for _ in range(3):
        open_outbox(before, dataset).catch_up()
    assert reads(hub) == 1


def test_a_try_that_breaks_off_adds_nothing_and_the_next_goes_on_with_what_it_fetched(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path, before: Path, stored: list[Event]
) -> None:
    last = sorted(hub.repos[REPO].files)[-1]
    hub.faults.append(Fault("GET", last, 500, times=6))
    outbox = open_outbox(tmp_path / "new", dataset)
    with pytest.raises(Busy):
        outbox.catch_up()
    assert open_store(tmp_path / "new").count() == 0
    hub.faults.clear()  # a slow machine gives up before it has met them all
    hub.calls.clear()
    outbox.catch_up()
    assert rows(tmp_path / "new") == rows(before) and reads(hub) == 1


def test_shards_that_somebody_removed_are_published_again(
    hub: HubStandIn, dataset: PrivateDataset, before: Path, stored: list[Event]
) -> None:
    hub.repos[REPO].files.clear()
    hub.repos[REPO].commits.append("cleared by hand")
    outbox = open_outbox(before, dataset)
    outbox.publish()
    assert published(hub) == stored


def test_the_index_follows_a_change_of_dataset(
    dataset: PrivateDataset, before: Path, stored: list[Event]
) -> None:
    index = open_outbox(before, dataset)._index
    index.keep_only({})
    assert index.known() == {} and index.ids() == set() and index.lines() == 0
    with sqlite3.connect(before / INDEX_NAME) as connection:
        assert connection.execute("SELECT COUNT(*) FROM held").fetchone() == (0,)


def test_put_back_takes_each_event_once(tmp_path: Path) -> None:
    store = EventStore(tmp_path / DATABASE_NAME)
    store.taking = False
    events = [judgement(f"b{n}") for n in range(3)]
    assert store.put_back(events[:2]) == 2
    assert store.put_back([*events, judgement("b0")]) == 1
    assert [event_id for _, event_id in store.ids()] == [event.event_id for event in events]
    assert list(store.events()) == events
