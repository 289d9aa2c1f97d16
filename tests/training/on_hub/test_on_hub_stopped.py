"""A run on the Hub that is asked to stop."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.training.on_hub.commanding import (
    GOOD_END,
    both,
    progress,
    seen,
    start,
    status,
)
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn, Job
from tests.training.on_hub.machines import (
    acting,
    ends,
    stage,
)
from training.on_hub.following import Follower
from training.on_hub.job_note import read_note
from training.on_hub.mirroring import MirroredRun
from training.on_hub.store import RunStore


def terminated(hub: HubStandIn, job: Job) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)  # it arrives while the answer is waited for


def test_a_job_that_waits_for_its_machine_is_cancelled(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.machine = acting(terminated, first="SCHEDULING")
    assert start(config) == 3
    assert "stopped: the job is cancelled" in seen(capsys)
    assert hub.jobs["job1"].stage == "CANCELED" and status(config)["state"] == "stopped"


def test_a_running_job_is_asked_to_save(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def saves(hub: HubStandIn, job: Job) -> None:
        assert hub.files()["stop-asked"] == b"1\n"
        both(progress(6), ends(3, "stop"))(hub, job)

    hub.machine = acting(terminated, stage("RUNNING"), saves)
    assert start(config) == 3
    assert "stopped; the same command goes on from here" in seen(capsys)
    assert hub.jobs["job1"].stage == "ERROR" and status(config)["step"] == 6
    # The request is gone before the next job begins.
    hub.machine = acting(GOOD_END)
    assert start(config) == 0
    assert "stop-asked" not in hub.files()


def test_asked_twice_it_is_cancelled_at_once(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.machine = acting(terminated, stage("RUNNING"), terminated)
    assert start(config) == 3
    assert "stopped: the job is cancelled" in seen(capsys)
    assert hub.jobs["job1"].stage == "CANCELED"


def test_one_that_does_not_stop_is_cancelled(
    hub: HubStandIn, store: RunStore, config: Path, tmp_path: Path
) -> None:
    hub.machine = acting(terminated, first="SCHEDULING")
    start(config)
    job, note = hub.jobs["job1"], read_note(tmp_path / "run")
    assert note is not None
    job.stage = "RUNNING"
    run, waits = MirroredRun(tmp_path / "run"), []
    run.start({}, 0)
    follower = Follower(HfApi(token=TOKEN), store, note, run, 15.0, 60.0, 60.0, waits.append)
    assert follower.stop().code == 3
    assert waits == [15.0] * 4 and job.stage == "CANCELED"


def test_a_job_that_cannot_be_cancelled_is_told_loudly(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.machine = acting(terminated, first="SCHEDULING")
    hub.faults = [Fault("POST", "/cancel", 403, message="no")]
    assert start(config) == 2
    said = seen(capsys)
    assert "the job could not be cancelled (403" in said
    assert f"it goes on, and is paid for; cancel it at {hub.endpoint}/jobs/me/job1" in said


def test_stopped_before_there_is_a_job(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passing = hub.fault_for

    def at_the_commit(method: str, path: str) -> Fault | None:
        if "/commit/" in path:
            terminated(hub, Job("", {}))
        return passing(method, path)

    hub.fault_for = at_the_commit  # type: ignore[method-assign]
    assert start(config) == 3
    assert "stopped before there was a job" in seen(capsys)
    assert hub.jobs == {} and status(config)["state"] == "stopped"


def test_stopped_while_it_asks_for_the_job(
    hub: HubStandIn, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer never came, but the job is there, and is paid for: it is found and cancelled."""
    monkeypatch.setattr("training.on_hub.submitting.LOOKS", (0.0, 0.01, 0.02))

    def machine(hub: HubStandIn, job: Job) -> None:
        terminated(hub, job)

    hub.machine = machine
    assert start(config) == 3
    assert hub.jobs["job1"].stage == "CANCELED"
