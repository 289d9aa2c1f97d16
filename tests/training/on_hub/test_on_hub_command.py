"""This machine's side: how a run is followed, what is fetched, how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from mi_arena.jobs.viewing import log_tail, metrics, view_run
from mi_arena.pairs import load_registry
from tests.training.on_hub.commanding import (
    GOOD_END,
    both,
    progress,
    seen,
    start,
    status,
    write_config,
)
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn, Job
from tests.training.on_hub.machines import (
    acting,
    ends,
    stage,
    worker_of,
    writes,
)


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
