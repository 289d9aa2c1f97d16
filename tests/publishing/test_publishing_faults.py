"""Random faults, restarts and lost disks: every event ends in the dataset, in one shard."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http, close_session
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mi_arena.publishing.faults import DatasetFault
from mi_arena.publishing.index import INDEX_NAME
from mi_arena.publishing.outbox import Outbox
from mi_arena.records.events import Event
from mi_arena.records.store import DATABASE_NAME, EventStore, NotTaken
from tests.publishing.conftest import REPO, dataset_on, judgement, open_index, published
from tests.training.on_hub.hub_stand_in import Fault, HubStandIn, Repo

PLACES = [
    ("POST", "/commit/"),
    ("POST", "/commit/"),
    ("POST", "/preupload/"),
    ("GET", "/tree/"),
    ("GET", "/resolve/"),
    ("GET", f"/api/datasets/{REPO}"),
]
FAULTS = st.none() | st.builds(
    lambda place, status, how, times: Fault(
        *place,
        status,
        {"Retry-After": "1"} if status == 429 else {},
        done_first=how == "done",
        held=how == "held" and place[1] == "/commit/",
        times=times,
    ),
    st.sampled_from(PLACES),
    st.sampled_from([412, 429, 500, 503, None]),
    st.sampled_from(["not done", "done", "held"]),
    st.sampled_from([1, 2, 6]),
)


class Machine:
    """One place where the app runs: a disk, and what the running process has in memory."""

    def __init__(self, hub: HubStandIn):
        self.hub, self.disk = hub, Path(tempfile.mkdtemp(prefix="mi-arena-"))
        self.start()

    def start(self) -> None:
        self.store = EventStore(self.disk / DATABASE_NAME)
        self.store.taking = False
        self.outbox = Outbox(self.store, open_index(self.disk), dataset_on(self.hub))

    def crash(self) -> None:
        """What is in memory is gone; the disk stays."""
        self.store.close()
        self.outbox._index.close()
        self.start()

    def lose_disk(self) -> None:
        self.store.close()
        self.outbox._index.close()
        shutil.rmtree(self.disk)
        self.start()

    def restore(self) -> None:
        if not self.store.taking:
            self.outbox.catch_up()
            self.store.taking = True

    def publish(self) -> None:
        if self.store.taking:
            self.outbox.publish()

    def all_published(self) -> bool:
        return self.store.taking and not self.outbox.waiting()


class Months(RuleBasedStateMachine):
    """Two processes on one dataset, as when a new one starts before the old one has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = HubStandIn(repos={REPO: Repo(private=True)})
        self.hub.__enter__()
        self.machines = [Machine(self.hub), Machine(self.hub)]
        self.acknowledged: dict[str, Event] = {}
        self.number = 0

    @rule(which=st.integers(0, 1), count=st.integers(0, 3), fault=FAULTS, again=st.booleans())
    def work(self, which: int, count: int, fault: Fault | None, again: bool) -> None:
        """Restore where that is due, take some judgements, publish; something may break."""
        machine = self.machines[which]
        if fault is not None:
            self.hub.faults.append(fault)
        with suppress(DatasetFault):
            machine.restore()
        for _ in range(count):
            self.number += 1
            with suppress(NotTaken):
                event = machine.store.append(judgement(f"b{self.number}"))
                self.acknowledged[event.event_id] = event
        for _ in range(1 + again):
            with suppress(DatasetFault):
                machine.publish()

    @precondition(lambda self: self.hub.held)
    @rule()
    def land(self) -> None:
        self.hub.land()

    @rule(which=st.integers(0, 1))
    def crash(self, which: int) -> None:
        self.machines[which].crash()

    @rule(which=st.integers(0, 1))
    def lose_the_index(self, which: int) -> None:
        machine = self.machines[which]
        machine.crash()
        machine.outbox._index.close()
        for file in machine.disk.glob(f"{INDEX_NAME}*"):
            file.unlink()
        machine.start()

    @precondition(lambda self: any(machine.all_published() for machine in self.machines))
    @rule(which=st.integers(0, 1))
    def lose_the_disk(self, which: int) -> None:
        """What was published survives it; what was not can't, so here there is none."""
        if self.machines[which].all_published():
            self.machines[which].lose_disk()

    @invariant()
    def no_event_stands_in_two_shards(self) -> None:
        ids = [event.event_id for event in published(self.hub)]
        assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        try:
            self.hub.faults.clear()
            self.hub.land()
            for machine in [*self.machines, *self.machines]:
                machine.restore()
                while machine.outbox.publish():
                    pass
                machine.outbox.catch_up()
            there = {event.event_id: event for event in published(self.hub)}
            assert there == self.acknowledged
            for machine in self.machines:
                assert {event.event_id: event for event in machine.store.events()} == there
            self.no_event_stands_in_two_shards()
        finally:
            for machine in self.machines:
                machine.store.close()
                machine.outbox._index.close()
                shutil.rmtree(machine.disk)
            self.hub.__exit__()
            close_session()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own tries follow each other without a wait."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.usefixtures("patient")
def test_every_event_ends_in_the_dataset_once() -> None:
    Months.TestCase.settings = settings(
        max_examples=20,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Months.TestCase("runTest").runTest()
