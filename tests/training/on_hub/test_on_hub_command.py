"""This machine's side: one job for a run, whatever happens; what is shown; how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import HfApi

from mi_arena.jobs.viewing import log_tail, metrics, view_run
from mi_arena.pairs import load_registry
from tests.processes import ROOT, kill_when
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn, Job, Repo
from tests.training.on_hub.machines import (
    acting,
    ends,
    hub_environment,
    leave,
    stage,
    worker_of,
    writes,
)
from training.on_hub import command
from training.on_hub.following import Follower
from training.on_hub.job_note import read_note
from training.on_hub.mirroring import MirroredRun
from training.on_hub.store import RunStore

QUICK = ("--poll", "0.02", "--publish", "0.02")
HANG_UP = Fault("GET", "/api/jobs/me/job1", None)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a base on the Hub."""
    (tmp_path / "mi.jsonl").write_text("{}\n")
    return write_config(tmp_path)


def write_config(folder: Path, **changes: Any) -> Path:
    settings = {
        "base": "owner/base", "data": str(folder / "mi.jsonl"), "format": "llama3",
        "output": str(folder / "adapter"),
    }  # fmt: skip
    file = folder / "tune.yaml"
    file.write_text(yaml.safe_dump(settings | changes))
    return file


def start(config: Path, *options: str) -> int:
    return command.main([str(config), "--out", str(config.parent / "run"), *QUICK, *options])


def process(hub: HubStandIn, config: Path) -> subprocess.Popen[str]:
    out = config.parent / "run"
    return subprocess.Popen(
        [sys.executable, "-m", "training.on_hub", str(config), "--out", str(out), *QUICK],
        cwd=ROOT,
        env=hub_environment(hub, config.parent / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def status(config: Path) -> dict[str, Any]:
    return json.loads((config.parent / "run/status.json").read_text())


def seen(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


ENTRY = {
    "pairs": [
        {
            "id": "run", "name": {"zh": "run", "en": "run"}, "format": "llama3",
            "base": {"repo": "owner/base", "revision": "a" * 40}, "adapter": {"path": "/job/a"},
            "dtype": "float32", "context": 2048, "licence": "MIT",
            "decoding": {"max_new_tokens": 256},
        }
    ]
}  # fmt: skip
MADE = {
    "output/adapter/adapter_config.json": "{}",
    "output/adapter/adapter_model.safetensors": "weights",
    "output/adapter/training.json": "{}",
    "run/pair.yaml": yaml.safe_dump(ENTRY),
}


def progress(step: int, line: str = "") -> Callable[[HubStandIn, Job], None]:
    """A worker's upload after so many of ten steps."""
    told = {"state": "running", "pid": 1, "step": step, "total": 10, "eta_seconds": 10.0 - step}
    return writes(
        {
            "run/status.json": json.dumps(told),
            "run/metrics.jsonl": "".join(f'{{"step": {n}, "loss": 1.0}}\n' for n in range(step)),
            "run/samples.jsonl": '{"step": 0, "prompt": "p", "reply": "r"}\n',
            "run/log.txt": f"2020-01-01T00:00:00+00:00 step {step}{line}\n",
            "run/config.yaml": "base: of the job\n",
        }
    )


def both(
    *steps: Callable[[HubStandIn, Job], None],
) -> Callable[[HubStandIn, Job], None]:
    def step(hub: HubStandIn, job: Job) -> None:
        for each in steps:
            each(hub, job)

    return step


GOOD_END = both(progress(10), writes(MADE), ends(0))


# ---- all well


def test_a_run_is_followed_and_fetched(
    hub: HubStandIn, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []

    def look(_: HubStandIn, job: Job) -> None:
        shown.append(view_run(tmp_path, tmp_path / "run"))

    hub.machine = acting(
        stage("SCHEDULING"), look, both(stage("RUNNING"), progress(4)), look, look, GOOD_END,
        first="SCHEDULING",
    )  # fmt: skip
    assert start(config, "--flavor", "l40sx4", "--timeout", "2h", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["code"], told["job"], told["attempt"]) == (0, "job1", 1)

    run = tmp_path / "run"
    assert [(view.state, view.step, view.total) for view in (shown[0], shown[-1])] == [
        ("running", 0, 0), ("running", 4, 10),
    ]  # fmt: skip
    assert shown[-1].eta_seconds == 6.0 and shown[-1].pid == os.getpid()
    ended = view_run(tmp_path, run)
    assert ended is not None and (ended.state, ended.step, ended.error) == ("done", 10, None)
    assert len(metrics(run)) == 10
    assert json.loads((run / "samples.jsonl").read_text())["reply"] == "r"
    log = log_tail(run)
    assert log[0] == "2020-01-01T00:00:00+00:00 step 10"
    assert any(line.endswith("job job1: scheduling") for line in log)
    price = "l40sx4 (4 x L40S, 192 GB): 8.40 USD an hour, so at most 16.80 USD; ends after 2 h"
    assert any(price in line for line in log)
    assert any("4 GPUs: a step learns from 4 times as many" in line for line in log)
    assert yaml.safe_load((run / "config.yaml").read_text())["data"].startswith(str(tmp_path))

    assert (tmp_path / "adapter/adapter_model.safetensors").read_text() == "weights"
    assert {file.name for file in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "training.json",
    }  # fmt: skip
    [pair] = load_registry(run / "pair.yaml").values()
    assert pair.adapter is not None and pair.adapter.path == str(tmp_path / "adapter")
    assert (pair.base.repo, pair.base.revision, pair.context) == ("owner/base", "a" * 40, 2048)

    [job] = hub.jobs.values()
    assert job.spec["flavor"] == "l40sx4" and job.spec["timeoutSeconds"] == 7200
    assert "accelerate.commands.launch" in job.spec["command"]
    assert job.spec["secrets"] == {"HF_TOKEN": TOKEN} and TOKEN not in str(job.spec["command"])
    assert hub.repos["me/mi-arena-runs"].private
    everything = "".join(f.read_text() for f in run.rglob("*") if f.is_file())
    assert TOKEN not in everything


def test_what_was_made_before_the_job_broke_is_fetched(hub: HubStandIn, config: Path) -> None:
    hub.machine = acting(both(GOOD_END, stage("ERROR", "the machine is gone")))
    assert start(config) == 0
    assert start(config) == 0
    assert len(hub.jobs) == 1


def test_a_finished_run_is_fetched_again_without_a_job(hub: HubStandIn, config: Path) -> None:
    hub.machine = acting(GOOD_END)
    assert start(config) == 0
    (config.parent / "adapter/adapter_model.safetensors").unlink()
    assert start(config) == 0
    assert (config.parent / "adapter/adapter_model.safetensors").read_text() == "weights"
    assert len(hub.jobs) == 1 and status(config)["state"] == "done"


def test_another_wish_for_the_output_is_another_job(hub: HubStandIn, config: Path) -> None:
    hub.machine = acting(both(GOOD_END, writes({"output/merged/config.json": "{}"})))
    assert start(config) == 0
    write_config(config.parent, merge=True)
    assert start(config) == 0
    assert (config.parent / "adapter-merged/config.json").exists()
    assert len(hub.jobs) == 2


def test_what_is_there_is_not_sent_again(hub: HubStandIn, config: Path) -> None:
    hub.machine = acting(ends(3, "stop"), ends(3, "stop"))
    assert start(config) == 3
    hub.calls.clear()
    (config.parent / "mi.jsonl").write_text('{"more": 1}\n')
    assert start(config) == 3
    [repo] = hub.repos.values()
    sent = [call for call in hub.calls if "/commit/" in call]
    assert len(sent) == 1 and repo.files[f"{worker_of(hub.jobs['job2'])[1]}/inputs/mi.jsonl"]
    hub.calls.clear()
    assert start(config) == 3
    assert not any("/commit/" in call for call in hub.calls)


# ---- refused before anything is spent


def no_token(hub: HubStandIn, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("HF_TOKEN")
    patch.setattr("mi_arena.hub.hub_client.get_token", lambda: None)


def public_repo(hub: HubStandIn, _: Any) -> None:
    hub.repos["me/mi-arena-runs"] = Repo(private=False)


def fault(**given: Any) -> Callable[[HubStandIn, Any], None]:
    return lambda hub, _: hub.faults.append(Fault(**given))


GATED = {"X-Error-Code": "GatedRepo"}
JOBS = {"method": "POST", "path": "/api/jobs/me"}
REFUSED: dict[str, tuple[Callable[[HubStandIn, Any], Any], tuple[str, ...], str]] = {
    "no token": (no_token, (), "no Hub token: set HF_TOKEN, or log in with `hf auth login`"),
    "wrong token": (
        lambda hub, patch: patch.setenv("HF_TOKEN", "hf_wrong"), (),
        "this token: 401: the Hub doesn't accept this token",
    ),
    "unknown machine": (
        lambda *_: None, ("--flavor", "l40"),
        "--flavor l40: there is no such machine; there are: cpu-basic, l40sx1, l40sx4",
    ),
    "unknown base": (
        lambda hub, _: hub.models.clear(), (),
        "base: owner/base: 404: there is no such thing, or this token may not see it",
    ),
    "gated base": (
        fault(method="GET", path="/auth-check", status=403, headers=GATED), (),
        "base: owner/base: is gated: ask for access on its page",
    ),
    "public repository": (public_repo, (), "--repo me/mi-arena-runs: is public; dialogues go to"),
    "may not write": (
        fault(method="POST", path="/repos/create", status=403, message="no write"), (),
        "--repo me/mi-arena-runs: 403: this token may not",
    ),
    "no money": (
        fault(**JOBS, status=402, message="Payment required"), (),
        "me: the job: 402: no credit for jobs",
    ),
    "may not start jobs": (fault(**JOBS, status=403), (), "me: the job: 403: this token may not"),
    "too little for a start": (
        lambda *_: None, ("--max-cost", "0.1"),
        "--max-cost: 0.1 USD, of which this run has used 0.00, leave 3 minutes of l40sx1",
    ),
}  # fmt: skip


MENDED = {"wrong token", "public repository", "no money"}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(
    hub: HubStandIn,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    prepare, options, line = REFUSED[name]
    prepare(hub, monkeypatch)
    assert start(config, *options) == 2
    assert f"training.on_hub: {line}" in seen(capsys)
    assert hub.jobs == {}
    if (config.parent / "run/status.json").exists():
        assert status(config)["state"] == "failed" and line in status(config)["error"]
    if name not in MENDED:
        return
    # Mended, it goes well, and in the same directory.
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("mi_arena.hub.hub_client.get_token", lambda: TOKEN)
    hub.faults, hub.models, hub.machine = [], {"owner/base"}, acting(GOOD_END)
    hub.repos = {name: repo for name, repo in hub.repos.items() if repo.private}
    assert start(config) == 0
    assert len(hub.jobs) == 1


def test_a_hub_out_of_reach_is_one_line(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.0)
    hub.faults = [Fault("GET", "whoami", None)]
    assert start(config) == 2
    assert "this token: the Hub can't be reached: " in seen(capsys)


def test_a_directory_belongs_to_one_run_in_one_place(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from training import finetune

    hub.machine = acting(ends(3, "stop"))
    assert start(config) == 3
    capsys.readouterr()
    run = str(config.parent / "run")
    assert finetune.main([str(config), "--out", run]) == 2
    assert "holds a run that was begun on a rented machine; go on with training.on_hub" in seen(
        capsys
    )
    assert start(config, "--repo", "me/other") == 2
    assert "--repo me/other: this run has me/mi-arena-runs; give another --out" in seen(capsys)
    assert start(write_config(config.parent, epochs=9)) == 2
    assert "holds a run with another epochs; give another --out" in seen(capsys)
    (config.parent / "run/job.json").unlink()
    (config.parent / "run/checkpoints/checkpoint-9").mkdir(parents=True)
    assert start(write_config(config.parent)) == 2
    assert "begun on this machine; go on with training.finetune" in seen(capsys)


# ---- never two jobs for one run


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


# ---- how it ends

LINE = "max_length: 9999 is more than the base's 512"


@pytest.mark.parametrize(
    ("end", "code", "line", "kept"),
    [
        (ends(2, error=LINE), 2, LINE, False),
        (ends(1, error="KeyError: x"), 1, "KeyError: x", True),
        (ends(3, "time"), 3, "the time of 6 h is over at step 4 of 10; the same command", False),
        (ends(3, "stop"), 3, "stopped; the same command goes on from here", False),
        (stage("ERROR", "Job timeout"), 3, "the time of 6 h is over at step 4 of 10", False),
        (stage("TIMEOUT"), 3, "the time of 6 h is over at step 4 of 10", False),
        (stage("CANCELED"), 3, "the job was cancelled on the Hub; the same command", False),
        (stage("ERROR", "Job failed with\nexit code: 137"), 1,
         "the job failed: error: Job failed with exit code: 137; its last words", True),
        (stage("COMPLETED"), 1, "the job failed: completed; its last words", True),
    ],
)  # fmt: skip
def test_ends_are_told_in_one_line(
    hub: HubStandIn,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    end: Any,
    code: int,
    line: str,
    kept: bool,
) -> None:
    def logs(_: HubStandIn, job: Job) -> None:
        job.logs = ["===== Job started", "pip: no room"]

    hub.machine = acting(both(progress(4), logs, end))
    assert start(config) == code
    assert f"training.on_hub: {line}" in seen(capsys)
    shown = status(config)
    assert shown["state"] == ("stopped" if code == 3 else "failed")
    assert (line in (shown["error"] or "")) is (code != 3)
    console = config.parent / "run/console.txt"
    assert (console.exists() and console.read_text() == "pip: no room\n") is kept


@pytest.mark.parametrize(
    "end", [ends(3, "time"), stage("ERROR", "Job timeout"), stage("COMPLETED")]
)
def test_the_same_command_starts_another_job_of_the_run(
    hub: HubStandIn, config: Path, end: Any
) -> None:
    hub.machine = acting(end)
    assert start(config) in (1, 3)
    hub.machine = acting(GOOD_END)
    assert start(config) == 0
    first, second = (job.spec for job in hub.jobs.values())
    assert worker_of(hub.jobs["job1"]) == worker_of(hub.jobs["job2"])
    assert first["labels"]["mi-arena-run"] == second["labels"]["mi-arena-run"]
    assert second["labels"]["mi-arena-attempt"] == "2"


def test_a_job_that_the_hub_has_forgotten(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.machine = acting(lambda hub, job: hub.jobs.pop(job.id))
    hub.faults = []
    assert start(config) == 3
    assert "the job was cancelled on the Hub" in seen(capsys)


def test_an_earlier_outcome_is_not_this_ones(hub: HubStandIn, config: Path) -> None:
    hub.machine = acting(ends(2, error=LINE))
    assert start(config) == 2
    hub.machine = acting(stage("RUNNING"), stage("RUNNING"), stage("ERROR", "Job timeout"))
    assert start(config) == 3


def test_money_is_counted_over_all_jobs_of_a_run(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.machine = acting(ends(3, "stop"))
    assert start(config, "--max-cost", "3.6") == 3  # 1.80 USD an hour
    hub.jobs["job1"].seconds = 3600
    assert start(config, "--max-cost", "3.6") == 3
    asked = [job.spec["timeoutSeconds"] for job in hub.jobs.values()]
    assert asked == pytest.approx([7200, 3600], abs=1)
    hub.jobs["job2"].seconds = 3500
    capsys.readouterr()
    assert start(config, "--max-cost", "3.6") == 3
    assert "of which this run has used 3.55, leave 1 minutes of l40sx1; raise it" in seen(capsys)
    assert len(hub.jobs) == 2 and status(config)["state"] == "stopped"


def test_an_output_that_fails_half_way_leaves_the_old_one(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text("old")
    hub.machine = acting(GOOD_END)
    hub.faults = [Fault("GET", "adapter_model.safetensors", 403, message="no")]
    assert start(config) == 2
    assert "me/mi-arena-runs: what the job made: 403" in seen(capsys)
    assert [file.name for file in tmp_path.glob("*adapter*")] == ["adapter"]
    assert (tmp_path / "adapter/adapter_config.json").read_text() == "old"
    assert start(config) == 0
    assert len(hub.jobs) == 1 and (tmp_path / "adapter/training.json").exists()


# ---- out of reach


def test_an_outage_is_sat_out(hub: HubStandIn, config: Path) -> None:
    hub.machine = acting(progress(4), GOOD_END)
    hub.faults = [Fault("GET", "/api/jobs/me/job1", None, times=1)]
    assert start(config) == 0
    log = (config.parent / "run/log.txt").read_text()
    assert "looking after the job: the Hub can't be reached" in log
    assert "looking after the job: went well, after" in log
    assert len(hub.jobs) == 1


def test_a_long_outage_ends_the_looking_but_not_the_job(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.machine = acting()
    hub.faults = [Fault("GET", "/api/jobs/me/job1", None, times=1)]
    assert start(config, "--offline", "0") == 2
    said = seen(capsys)
    assert "gave up looking after the job" in said and "it goes on, and is paid for, at" in said
    assert f"{hub.endpoint}/jobs/me/job1" in said
    GOOD_END(hub, hub.jobs["job1"])
    assert start(config) == 0
    assert list(hub.jobs) == ["job1"]


# ---- stopped


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
