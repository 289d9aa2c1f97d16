"""Real processes: killed without warning, asked to end, and with their disk lost in between."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mi_arena.publishing.status import read_status
from mi_arena.records.events import Event
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.settings import PREFIX, ROOT
from tests.ports import free_port
from tests.processes import until
from tests.publishing.conftest import REPO, judgement, published
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn
from tests.training.on_hub.machines import hub_environment

WORKER = """
import signal, sys, threading
from itertools import count
from pathlib import Path
from mi_arena.publishing.opening import open_publisher
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.settings import Settings
from tests.publishing.conftest import judgement

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
settings = Settings()
store = EventStore(settings.data / DATABASE_NAME)
publisher = open_publisher(settings, store)
assert publisher.wait_for_restore(60)
for number in count():
    if stopping.wait(0.01):
        break
    event = store.append(judgement(f"{sys.argv[1]}-{number}"))
    print(event.model_dump_json(), flush=True)
sys.exit(not publisher.close(60))
"""


def environment(hub: HubStandIn, data: Path, **more: str) -> dict[str, str]:
    clean = {k: v for k, v in hub_environment(hub, data.parent / "hf").items() if PREFIX not in k}
    chosen = {"DATA": str(data), "DATASET": REPO, "SECRET": "sixteen characters", **more}
    return clean | {PREFIX + name: value for name, value in chosen.items()}


@contextmanager
def worker(hub: HubStandIn, data: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Stores a judgement every 10 ms and publishes them five at a time."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, name],
        cwd=ROOT,
        env=environment(hub, data, PUBLISH_EVENTS="5", PUBLISH_SECONDS="0.2"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def acknowledged(process: subprocess.Popen[str], count: int) -> list[Event]:
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count)]
    assert all(lines), "it ended before"
    return [Event.model_validate_json(line) for line in lines]


def rest(process: subprocess.Popen[str]) -> list[Event]:
    assert process.stdout is not None
    whole = [line for line in process.stdout if line.endswith("\n")]
    return [Event.model_validate_json(line) for line in whole]


def test_killed_asked_to_end_and_robbed_of_its_disk_nothing_acknowledged_is_lost_or_doubled(
    hub: HubStandIn, tmp_path: Path
) -> None:
    data, chance = tmp_path / "data", random.Random(1)
    seen: dict[str, Event] = {}
    for run in range(2):
        with worker(hub, data, f"killed {run}") as process:
            events = acknowledged(process, 1)
            hub.faults.append(Fault("POST", "/commit/", 500, done_first=chance.random() < 0.5))
            events += acknowledged(process, chance.randrange(10, 40))
            process.send_signal(signal.SIGKILL)
            events += rest(process)
        seen |= {event.event_id: event for event in events}
    with worker(hub, data, "asked") as process:
        events = acknowledged(process, 3)
        hub.faults.append(Fault("POST", "/commit/", None))
        process.send_signal(signal.SIGTERM)
        events += rest(process)
        assert process.wait(60) == 0
    seen |= {event.event_id: event for event in events}
    stored = {event.event_id: event for event in EventStore(data / DATABASE_NAME).events()}
    there = published(hub)
    # Some became durable in the moment before they could be acknowledged.
    assert seen.items() <= stored.items()
    assert {event.event_id: event for event in there} == stored and len(there) == len(stored)
    shutil.rmtree(data)
    with worker(hub, data, "new") as process:
        acknowledged(process, 1)
        process.send_signal(signal.SIGTERM)
        rest(process)
        assert process.wait(60) == 0
    restored = {event.event_id: event for event in EventStore(data / DATABASE_NAME).events()}
    assert stored.items() <= restored.items()


@contextmanager
def app(hub: HubStandIn, data: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py")],
        env=environment(hub, data, PORT=str(free_port()), **more) | {"HF_HUB_OFFLINE": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("MI Arena: http"), process.stderr.read()
        yield process, line.removeprefix("MI Arena: ").strip()
    finally:
        process.kill()
        process.wait()


def test_the_app_publishes_before_it_ends_and_opens_closed_when_it_can_not_restore(
    hub: HubStandIn, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with app(hub, data) as (process, _):
        # As another process on this machine would: by the app's own file.
        stored = EventStore(data / DATABASE_NAME).append(judgement())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    there = published(hub)
    assert stored in there and {event.kind for event in there} == {"epoch_opened", "judgement"}
    shutil.rmtree(data)
    hub.faults.append(Fault("GET", f"/api/datasets/{REPO}", 503, times=1000))
    with app(hub, data) as (process, address):
        assert b"MI Arena" in urllib.request.urlopen(address, timeout=60).read()
        assert EventStore(data / DATABASE_NAME).count() == 0
        assert taking(data) is False
        hub.faults.clear()
        until(lambda: EventStore(data / DATABASE_NAME).count() == len(there), 120)
        until(lambda: taking(data), 120)
        process.send_signal(signal.SIGTERM)
        told = process.stderr.read() if process.stderr else ""
        assert process.wait(60) == 0
    assert list(EventStore(data / DATABASE_NAME).events()) == there == published(hub)
    assert "nothing is taken until they are" in told and TOKEN not in told


def taking(data: Path) -> bool | None:
    publishing = read_status(data).publishing
    assert publishing is not None
    return publishing.taking
