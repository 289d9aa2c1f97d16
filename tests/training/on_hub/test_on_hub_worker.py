"""The job's side: what goes up and when, what comes back, how a fine-tune is stopped and judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mi_arena.hub.patience import Patience
from tests.processes import ROOT
from tests.training.on_hub.hub_stand_in import Fault, HubStandIn
from tests.training.on_hub.machines import hub_environment
from training.on_hub.outcome import Outcome
from training.on_hub.publishing import Publisher
from training.on_hub.restoring import restore
from training.on_hub.store import RunStore
from training.on_hub.worker import Supervised, last_error, outcome_of

DONE = Outcome(attempt=1, code=0, reason="ended")


def checkpoint(run: Path, step: int, whole: bool = True) -> Path:
    folder = run / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(bytes([step]) * 100)
    if whole:
        (folder / "progress.json").write_text("{}")
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fine-tune's run directory in a job's working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "status.json").write_text('{"state": "running"}')
    (folder / "metrics.jsonl").write_text('{"step": 5}\n')
    return folder


class Talk:
    """A publisher, and what it says and asks for."""

    def __init__(self, store: RunStore, run: Path, attempt: int = 1):
        self.said: list[str] = []
        self.stopped = threading.Event()
        self.publisher = Publisher(store, run, attempt, self.said.append, self.stopped.set)


def until(reached: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def steps(files: dict[str, bytes]) -> set[str]:
    return {name.split("/")[2] for name in files if name.startswith("run/checkpoints/")}


# ---- what goes up


def test_only_what_is_new_goes_up(hub: HubStandIn, store: RunStore, run: Path) -> None:
    publisher = Talk(store, run).publisher
    publisher.publish()
    assert hub.files() == {
        f"run/{name}": (run / name).read_bytes() for name in ("status.json", "metrics.jsonl")
    }
    publisher.publish()
    publisher.publish()
    assert hub.commits() == ["progress"]
    with (run / "metrics.jsonl").open("a") as out:
        out.write('{"step": 10}\n')
    publisher.publish()
    assert hub.commits() == ["progress", "progress"]
    assert hub.files()["run/metrics.jsonl"] == (run / "metrics.jsonl").read_bytes()


def test_checkpoints_go_up_whole_and_come_down(hub: HubStandIn, store: RunStore, run: Path) -> None:
    publisher = Talk(store, run).publisher
    first = checkpoint(run, 5)
    checkpoint(run, 7, whole=False)
    (run / "checkpoints/part/checkpoint-9").mkdir(parents=True)
    publisher.publish()
    assert steps(hub.files()) == {"checkpoint-5"}
    for file in first.iterdir():
        file.unlink()
    first.rmdir()
    checkpoint(run, 10)
    publisher.publish()
    assert steps(hub.files()) == {"checkpoint-10"}
    assert hub.commits() == ["progress", "progress"]
    assert not (run / "uploading").exists()


def test_a_checkpoint_removed_while_it_goes_up_arrives_whole(
    hub: HubStandIn, store: RunStore, run: Path
) -> None:
    """The fine-tune keeps only its last ones, and doesn't wait for an upload."""
    folder = checkpoint(run, 5)
    publisher = Talk(store, run).publisher
    asked = threading.Event()
    passing = hub.fault_for

    def at_the_commit(method: str, path: str) -> Fault | None:
        if "/preupload/" in path and not asked.is_set():
            asked.set()
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
        return passing(method, path)

    hub.fault_for = at_the_commit  # type: ignore[method-assign]
    publisher.publish()
    assert asked.is_set()
    assert hub.files()["run/checkpoints/checkpoint-5/adapter_model.safetensors"] == b"\5" * 100


def test_the_last_upload_has_what_was_made_and_how_it_ended(
    hub: HubStandIn, store: RunStore, run: Path, tmp_path: Path
) -> None:
    config = {"base": "owner/base", "data": "d", "output": "out/adapter", "merge": True}
    (tmp_path / "finetune.yaml").write_text(yaml.safe_dump(config))
    for name in ("out/adapter", "out/adapter-merged"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "weights").write_text(name)
    (run / "pair.yaml").write_text("pairs: []")
    store.commit("old", {"output/merged/of-another-time": b"1"})
    Talk(store, run).publisher.publish(DONE)
    files = hub.files()
    assert {name for name in files if name.startswith("output/")} == {
        "output/adapter/weights", "output/merged/weights",
    }  # fmt: skip
    assert files["run/pair.yaml"] == b"pairs: []"
    assert json.loads(files["run/outcome.json"])["code"] == 0
    assert hub.commits() == ["old", "end"]


def test_of_a_fine_tune_that_failed_nothing_made_goes_up(
    hub: HubStandIn, store: RunStore, run: Path
) -> None:
    Talk(store, run).publisher.publish(Outcome(attempt=1, code=2, reason="ended", error="a line"))
    assert json.loads(hub.files()["run/outcome.json"])["error"] == "a line"
    assert not any(name.startswith("output/") for name in hub.files())


FAULTS = {
    "busy": Fault("POST", "/commit/", 429, {"Retry-After": "0"}),
    "broken": Fault("POST", "/commit/", 500),
    "overtaken": Fault("POST", "/commit/", 412),
    "landed, but nobody was told": Fault("POST", "/commit/", None, done_first=True),
    "landed, but said to be broken": Fault("POST", "/commit/", 500, done_first=True),
    "a list that breaks off": Fault("GET", "/tree/", None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_uploads_outlast_what_passes(
    hub: HubStandIn, store: RunStore, run: Path, name: str
) -> None:
    """It goes on by itself, everything arrives once, and what was removed is not missed."""
    fault = FAULTS[name]
    store.commit("before", {"run/checkpoints/checkpoint-5/progress.json": b"{}"})
    checkpoint(run, 10)
    hub.faults = [Fault(**vars(fault) | {"times": 1})]
    talk = Talk(store, run)
    with talk.publisher.every(0.02):
        until(lambda: not hub.faults[0].times)
        until(lambda: "run/status.json" in hub.files())
    talk.publisher.publish()
    assert steps(hub.files()) == {"checkpoint-10"}
    assert hub.commits() == ["before", "progress"]
    if fault.method == "POST":  # a list is tried again by the library
        assert talk.said[0].startswith("upload: ")


def test_whatever_goes_wrong_with_an_upload_the_thread_goes_on(
    hub: HubStandIn, store: RunStore, run: Path
) -> None:
    (run / "log.txt").mkdir()  # can't be read as a file
    talk = Talk(store, run)
    with talk.publisher.every(0.01):
        until(lambda: talk.said)
        (run / "log.txt").rmdir()
        until(lambda: "run/status.json" in hub.files())


# ---- what comes back


def test_a_request_to_stop_is_for_its_attempt_alone(
    hub: HubStandIn, store: RunStore, run: Path
) -> None:
    talk = Talk(store, run, attempt=2)
    store.commit("stop", {"stop-asked": b"1\n"})
    with talk.publisher.every(0.02):
        until(lambda: sum("GET /datasets" in call for call in hub.calls) >= 2)
        assert not talk.stopped.is_set()
        store.commit("stop", {"stop-asked": b"2\n"})
        assert talk.stopped.wait(60)


def test_the_run_is_there_again(hub: HubStandIn, store: RunStore, tmp_path: Path) -> None:
    store.commit(
        "all",
        {
            "finetune.yaml": b"base: b", "inputs/data/mi.jsonl": b"{}", "code.tar.gz": b"0",
            "run/status.json": b"{}", "run/checkpoints/checkpoint-5/progress.json": b"5",
            "run/outcome.json": b"{}", "output/adapter/weights": b"1", "stop-asked": b"1",
        },
    )  # fmt: skip
    hub.faults = [Fault("GET", "progress.json", 503), Fault("HEAD", "status.json", None)]
    said: list[str] = []
    restore(store, tmp_path, Patience(said.append, 60, lambda _: None))
    found = {f.relative_to(tmp_path).as_posix() for f in tmp_path.rglob("*") if f.is_file()}
    assert found == {
        "finetune.yaml", "data/mi.jsonl", "run/status.json",
        "run/checkpoints/checkpoint-5/progress.json",
    }  # fmt: skip
    assert (tmp_path / "run/checkpoints/checkpoint-5/progress.json").read_text() == "5"


# ---- the fine-tune's process

SLEEPS = "import time; print('began', flush=True); time.sleep(60)"
SAVES = """
import signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, save)
print("began", flush=True)
time.sleep(60)
"""
LAUNCHES = f"""
import os, subprocess, sys
rank = subprocess.Popen([sys.executable, "-c", {SAVES!r}], env=os.environ | {{"RANK": "0"}})
sys.exit(1 if rank.wait() else 0)
"""


def child(program: str, run: Path) -> Supervised:
    return Supervised(["-c", program], run / "console.txt")


def began(run: Path) -> None:
    until(lambda: "began" in (run / "console.txt").read_text())


@pytest.mark.parametrize("program", [SAVES, LAUNCHES, SLEEPS])
def test_asked_to_stop_it_may_save(run: Path, program: str) -> None:
    """Also below a launcher, which is not told itself: it would not give time to save."""
    (run / "console.txt").touch()
    tuning = child(program, run)
    began(run)
    tuning.stop("stop")
    tuning.stop("time")
    code = tuning.wait(time.monotonic() + 60)
    outcome = outcome_of(tuning, code, 3, run)
    assert (outcome.attempt, outcome.code, outcome.reason) == (3, 3, "stop")
    assert ("saved" in (run / "console.txt").read_text()) is (program != SLEEPS)


def test_it_is_stopped_when_the_paid_time_ends(run: Path) -> None:
    tuning = child(SAVES, run)
    began_at = time.monotonic()
    code = tuning.wait(began_at)
    outcome = outcome_of(tuning, code, 1, run)
    assert (outcome.code, outcome.reason) == (3, "time")


def test_one_that_does_not_stop_is_killed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.on_hub.worker.GRACE", 0.0)
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
    (run / "console.txt").touch()
    tuning = child(stubborn, run)
    began(run)
    tuning.stop("stop")
    assert tuning.wait(time.monotonic() + 60) == -signal.SIGKILL
    assert outcome_of(tuning, -9, 1, run).code == 3


LINE = "data: mi.jsonl: no such file"


@pytest.mark.parametrize(
    ("exit_code", "said", "status", "code", "error"),
    [
        (0, "", {"state": "done", "error": None}, 0, None),
        (2, f"training.finetune: {LINE}", {"state": "failed", "error": LINE}, 2, LINE),
        # Below a launcher every failure is 1, with a traceback of its own.
        (1, f"training.finetune: {LINE}\nmore", {"state": "failed", "error": LINE}, 2, LINE),
        (1, "Traceback", {"state": "failed", "error": "KeyError: x"}, 1, "KeyError: x"),
        (-9, "", {"state": "running", "error": None}, 1, "the fine-tune ended without a word"),
        (3, "", {"state": "stopped", "error": None}, 3, None),
    ],
)
def test_ends_are_judged(
    run: Path, exit_code: int, said: str, status: dict[str, Any], code: int, error: str | None
) -> None:
    (run / "status.json").write_text(json.dumps(status))
    kill = "os.kill(os.getpid(), 9)" if exit_code < 0 else f"sys.exit({exit_code})"
    tuning = child(f"import os, sys; print({said!r}, flush=True); {kill}", run)
    found = tuning.wait(time.monotonic() + 60)
    assert found == exit_code
    outcome = outcome_of(tuning, found, 1, run)
    assert outcome.code == code and (outcome.error or "").startswith(error or "")
    assert (outcome.error is None) is (error is None)


def test_a_status_that_cannot_be_read_is_no_error(run: Path) -> None:
    (run / "status.json").write_text('{"state": "fai')
    assert last_error(run) is None


def test_a_cancelled_job_saves_and_uploads(
    hub: HubStandIn, store: RunStore, tmp_path: Path
) -> None:
    """SIGTERM to the worker itself, as the Hub sends it to a job's first process."""
    store.commit("inputs", {"finetune.yaml": b"base: b"})
    options = ("--repo=me/mi-arena-runs", "--prefix=run-1", "--attempt=1", "--seconds=3600")
    worker = subprocess.Popen(
        [sys.executable, "-m", "training.on_hub.worker", *options, "--every=60", "--", "-c", SAVES],
        cwd=tmp_path,
        env=hub_environment(hub, tmp_path / "hf") | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    until((tmp_path / "run/console.txt").exists)
    until(lambda: "began" in (tmp_path / "run/console.txt").read_text())
    os.kill(worker.pid, signal.SIGTERM)
    said, _ = worker.communicate(timeout=60)
    assert worker.returncode == 3
    assert "began\nsaved\n" in said
    assert json.loads(hub.files()["run/outcome.json"])["reason"] == "stop"
    assert hub.files()["run/console.txt"] == b"began\nsaved\n"
