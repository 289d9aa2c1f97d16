"""The thread: when it publishes, what it closes, and how it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.publishing.outbox import Outbox
from mi_arena.publishing.pace import FIRST, LONGEST, Quota, pause
from mi_arena.publishing.private_dataset import PrivateDataset
from mi_arena.publishing.publisher import Publisher
from mi_arena.publishing.status import read_status
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore, NotStored, NotTaken
from tests.processes import until
from tests.publishing.conftest import REPO, judgement, open_index, open_store, published
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn, Repo

HOUR = timedelta(hours=1)
Open = Callable[..., Publisher]


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return open_store(tmp_path)


@pytest.fixture
def started(
    dataset: PrivateDataset, store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Opens publishers over the store, and ends them."""
    monkeypatch.setattr("mi_arena.publishing.publisher.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("mi_arena.publishing.publisher.HURRIED_SECONDS", 0.01)
    monkeypatch.setattr("mi_arena.publishing.pace.FIRST", 0.01)
    monkeypatch.setattr("mi_arena.publishing.pace.LONGEST", 0.02)
    opened: list[Publisher] = []

    def start(events: int = 1, seconds: float = 3600, quota: Quota | None = None) -> Publisher:
        index = open_index(tmp_path)
        publisher = Publisher(
            store,
            index,
            Outbox(store, index, dataset),
            events=events,
            seconds=seconds,
            quota=quota or Quota(at_once=1000),
        )
        publisher.start()
        opened.append(publisher)
        return publisher

    yield start
    for publisher in opened:
        publisher.close(0)
        publisher._thread.join()


def test_it_waits_for_so_many_events(hub: HubStandIn, store: EventStore, started: Open) -> None:
    assert started(events=3).wait_for_restore(60)
    for number in range(7):
        store.append(judgement(f"b{number}"))
    until(lambda: len(published(hub)) >= 5)
    assert all(len(content.splitlines()) >= 3 for content in hub.repos[REPO].files.values())


def test_it_waits_for_so_long(hub: HubStandIn, store: EventStore, started: Open) -> None:
    assert started(events=1000, seconds=0.2).wait_for_restore(60)
    began = time.monotonic()
    store.append(judgement())
    until(lambda: published(hub))
    assert time.monotonic() - began >= 0.2


def test_what_was_left_over_goes_at_once(hub: HubStandIn, store: EventStore, started: Open) -> None:
    store.append(judgement())
    started(events=1000)
    until(lambda: published(hub))


def test_it_keeps_within_the_quota_but_for_its_end(
    hub: HubStandIn, store: EventStore, started: Open
) -> None:
    publisher = started(quota=Quota(at_once=2))
    assert publisher.wait_for_restore(60)
    for number in range(4):
        store.append(judgement(f"b{number}"))
        wanted = min(number + 1, 2)
        until(lambda wanted=wanted: len(published(hub)) >= wanted)
    assert len(hub.repos[REPO].commits) == 2
    assert publisher.close(60) and published(hub) == list(store.events())


def test_its_end_publishes_what_there_is_through_faults(
    hub: HubStandIn, store: EventStore, started: Open
) -> None:
    publisher = started(events=1000)
    assert publisher.wait_for_restore(60)
    store.append_all(judgement(f"b{n}") for n in range(3))
    hub.faults += [
        Fault("POST", "/commit/", 500, done_first=True),
        Fault("GET", "/tree/", None),
        Fault("POST", "/commit/", 412),
    ]
    publisher.hurry()
    store.append(judgement("after"))
    assert publisher.close(60) and published(hub) == list(store.events())


def test_its_end_waits_no_longer_than_it_may(
    hub: HubStandIn, store: EventStore, started: Open
) -> None:
    publisher = started(events=1000)
    assert publisher.wait_for_restore(60)
    store.append(judgement())
    hub.faults.append(Fault("POST", "/commit/", 503, stall=True, times=100))
    began = time.monotonic()
    assert not publisher.close(0.3)
    assert time.monotonic() - began < 5
    hub.closing.set()


def test_nothing_is_taken_until_everything_is_restored_and_then_by_itself(
    hub: HubStandIn, dataset: PrivateDataset, store: EventStore, started: Open, tmp_path: Path
) -> None:
    other = open_store(tmp_path / "other")
    lost = other.append(judgement())
    Outbox(other, open_index(tmp_path / "other"), dataset).publish()
    (path,) = hub.repos[REPO].files
    whole = hub.repos[REPO].files[path]
    hub.repos[REPO].files[path] = whole[:-5]
    publisher = started()
    done: list[str] = []
    assert not publisher.wait_for_restore(60)
    publisher.then(lambda: done.append("later"))
    with pytest.raises(NotTaken):
        store.append(judgement("b1"))
    assert store.count() == 0 and not done
    assert open_index(tmp_path).notes()["last_error"]["type"] == "BadShard"
    hub.repos[REPO].files[path] = whole
    until(lambda: store.taking)
    until(lambda: done)
    assert list(store.events()) == [lost] and open_index(tmp_path).notes()["taking"] is True
    store.append(judgement("b1"))
    publisher.then(lambda: done.append("now"))
    assert done == ["later", "now"]


def test_what_is_to_follow_and_fails_is_tried_again_and_holds_up_nothing(
    hub: HubStandIn, store: EventStore, started: Open, tmp_path: Path
) -> None:
    """As when the disk is full at the moment of a start."""
    hub.faults.append(Fault("GET", f"/api/datasets/{REPO}", 503, times=6))
    store.append(judgement())
    publisher = started()
    done: list[str] = []
    full = True

    def fails() -> None:
        if full:
            raise NotStored("not stored: the disk is full")
        done.append("first")

    assert not publisher.wait_for_restore(60)
    for action in (fails, lambda: done.append("second")):
        publisher.then(action)
    until(lambda: done == ["second"])
    until(lambda: published(hub) == list(store.events()))
    until(lambda: "the disk is full" in open_index(tmp_path).notes()["last_error"]["line"])
    full = False
    until(lambda: done == ["second", "first"])


def test_another_copy_on_another_folder_is_seen_and_told_until_the_next_start(
    hub: HubStandIn, dataset: PrivateDataset, store: EventStore, started: Open, tmp_path: Path
) -> None:
    def publish_there(folder: Path, event: Event) -> None:
        open_store(folder).append(event)
        Outbox(open_store(folder), open_index(folder), dataset).publish()

    def publish_here(battle: str) -> list[str]:
        """And what is told of it: the codes of alarms, and of notices in brackets."""
        before = len(hub.repos[REPO].commits)
        store.append(judgement(battle))
        until(lambda: len(hub.repos[REPO].commits) > before)
        head = hub.repos[REPO].head
        until(lambda: (open_index(tmp_path).notes().get("last_commit") or {}).get("id") == head)
        told = read_status(tmp_path)
        alarms = [one.code for one in told.alarms if one.code != "no_battle"]
        return alarms + [f"({one.code})" for one in told.notices]

    other = tmp_path / "other"
    publish_there(other, judgement("before the start"))
    publisher = started()
    assert publisher.wait_for_restore(60)
    assert publish_here("b0") == []
    publish_there(other, judgement("there"))
    assert publish_here("b1") == ["(overlap)"]
    later = judgement("there later").model_copy(update={"created_at": datetime.now(UTC) + HOUR})
    publish_there(other, later)
    assert publish_here("b2") == ["another_copy"]
    publish_there(other, judgement("there, left over from before"))
    assert publish_here("b3") == ["another_copy"]
    seen = read_status(tmp_path).publishing
    assert seen is not None and seen.another_copy is not None
    assert seen.another_copy["events"] == 3 and 3500 < seen.another_copy["seconds"] < 3700
    assert publisher.close(60)
    publisher._thread.join()
    assert started().wait_for_restore(60)
    until(lambda: open_index(tmp_path).notes()["another_copy"] is None)
    assert publish_here("b4") == []


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (lambda hub: hub.repos.update({REPO: Repo(private=False)}), "Denied"),
        (lambda hub: hub.repos.clear(), "Denied"),
        (lambda hub: hub.faults.append(Fault("GET", "/api/", None, times=10_000)), "Busy"),
    ],
)
def test_no_line_tells_a_token_or_what_was_said(
    hub: HubStandIn,
    store: EventStore,
    started: Open,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[HubStandIn], object],
    kind: str,
) -> None:
    store.append(judgement(reason="我想戒烟"))
    harm(hub)
    with caplog.at_level(logging.DEBUG):
        publisher = started()
        assert not publisher.wait_for_restore(60)
        until(lambda: open_index(tmp_path).notes().get("last_error"))
    told = caplog.text + str(open_index(tmp_path).notes())
    assert TOKEN not in told and "戒烟" not in told
    assert open_index(tmp_path).notes()["last_error"]["type"] == kind
    assert sum("publishing:" in record.message for record in caplog.records) == 1
    assert not any(repo.files for repo in hub.repos.values())


def test_a_rater_never_waits_for_a_slow_hub(
    hub: HubStandIn, store: EventStore, started: Open
) -> None:
    assert started().wait_for_restore(60)
    hub.faults.append(Fault("POST", "/commit/", 200, seconds=1.0))
    store.append(judgement("first"))
    until(lambda: any("/commit/" in call for call in hub.calls))
    began = time.monotonic()
    store.append(judgement("second"))
    assert (time.monotonic() - began < 0.8 and not hub.repos[REPO].files) or published(hub)
    until(lambda: len(published(hub)) == 2)


@given(st.integers(1, 400), st.floats(0, 10_000), st.floats(0, 1))
def test_pauses_grow_are_bounded_and_keep_to_what_was_asked(
    failures: int, asked: float, chance: float
) -> None:
    seconds = pause(failures, asked, lambda: chance)
    assert max(asked, FIRST / 2) <= seconds <= max(LONGEST, asked * 1.1)
    assert pause(failures + 1, 0, lambda: chance) >= pause(failures, 0, lambda: chance)


def test_the_quota_fills_again() -> None:
    now = [0.0]
    quota = Quota(an_hour=60, at_once=3, clock=lambda: now[0])
    assert [quota.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 59
    assert not quota.take()
    now[0] = 60
    assert quota.take() and not quota.take()
    taken = 0
    for second in range(60, 60 + 3600):
        now[0] = second
        taken += quota.take()
    assert taken <= 62
