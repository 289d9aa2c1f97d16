"""One job for a run, whatever is lost or killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_arena.jobs.viewing import view_run
from tests.processes import kill_when
from tests.training.on_hub.commanding import (
    GOOD_END,
    process,
    progress,
    start,
    status,
)
from tests.training.on_hub.hub_stand_in import Fault, HubStandIn, Job
from tests.training.on_hub.machines import (
    acting,
    ends,
    leave,
    stage,
)
from training.on_hub.job_note import read_note


@pytest.mark.parametrize(
    ("fault", "unlisted"),
    [
        (Fault("POST", "/api/jobs/me", None, done_first=True), 0),
        (Fault("POST", "/api/jobs/me", 500, done_first=True), 1),
        (Fault("POST", "/api/jobs/me", 503), 0),
        (Fault("POST", "/api/jobs/me", 429, {"Retry-After": "0"}), 0),
    ],
)
def test_a_lost_answer_is_no_second_job(
    hub: HubStandIn, config: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, unlisted: int
) -> None:
    """A new job may not be in the list yet, which is why it is looked for more than once."""
    monkeypatch.setattr("training.on_hub.submitting.LOOKS", (0.0, 0.01, 0.02))
    hub.machine, hub.unlisted, fault.times = acting(GOOD_END), unlisted, 1
    hub.faults = [fault]
    assert start(config) == 0
    assert list(hub.jobs) == ["job1"]
    note = read_note(config.parent / "run")
    assert note is not None and (note.job_id, note.attempt) == ("job1", 1)


def test_killed_while_it_asks_for_the_job(hub: HubStandIn, config: Path) -> None:
    hub.machine = acting()
    hub.faults = [Fault("POST", "/api/jobs/me", None, done_first=True, stall=True)]
    kill_when(process(hub, config), lambda: bool(hub.jobs))
    note = read_note(config.parent / "run")
    assert note is not None and note.asked and note.job_id is None
    GOOD_END(hub, hub.jobs["job1"])
    assert start(config) == 0
    assert list(hub.jobs) == ["job1"]


def test_killed_while_it_follows(hub: HubStandIn, config: Path, tmp_path: Path) -> None:
    hub.machine = acting(progress(4))
    kill_when(
        process(hub, config),
        lambda: (tmp_path / "run/metrics.jsonl").exists() and status(config)["step"] == 4,
    )
    lost = view_run(tmp_path, tmp_path / "run")
    assert lost is not None and lost.state == "lost"
    GOOD_END(hub, hub.jobs["job1"])
    assert start(config) == 0
    assert list(hub.jobs) == ["job1"] and status(config)["state"] == "done"


def test_a_job_too_many_is_cancelled(hub: HubStandIn, config: Path) -> None:
    """As when somebody has started a copy of it on the Hub's page."""
    hub.machine = acting(stage("RUNNING"), ends(3, "stop"))
    assert start(config) == 3
    first = hub.jobs["job1"]
    first.stage = "RUNNING"
    hub.jobs["copy"] = Job("copy", first.spec, "RUNNING")
    leave(hub, first, {"run/outcome.json": "{}"})
    first.steps = [lambda job: GOOD_END(hub, job)]
    assert start(config) == 0
    assert (hub.jobs["copy"].stage, len(hub.jobs)) == ("CANCELED", 2)
