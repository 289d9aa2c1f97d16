"""LoRA tuning that is killed, stopped, out of disk, or waits for its turn."""

from __future__ import annotations

import json
import resource
import signal
import time
from pathlib import Path

import pytest

from mi_arena.jobs.turns import Line, turn
from tests.processes import kill_when, start, until
from tests.training.finetuning import record_of, state_of, write_config
from training import checkpoints, finetune, models

pytestmark = pytest.mark.usefixtures("one_thread")


def assert_same_end(got: Path, expected: Path) -> None:
    ours, theirs = (record_of(f / "adapter")["loss"]["epochs"] for f in (got, expected))
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    steps = [
        [json.loads(line)["step"] for line in (f / "run/samples.jsonl").read_text().splitlines()]
        for f in (got, expected)
    ]
    assert steps[0] == steps[1]


def test_after_a_kill_it_ends_at_the_same_losses(
    whole: Path, tmp_path: Path, base: Path, data: Path
) -> None:
    config = write_config(tmp_path, base, data, save_steps=1)
    run = tmp_path / "run"
    begun = start("training.finetune", config, "--out", run)
    kill_when(begun, (run / "checkpoints/checkpoint-9").exists)  # within the second epoch
    assert not (tmp_path / "adapter").exists()
    (run / "checkpoints/part/checkpoint-99").mkdir(parents=True)  # as a kill in mid-write leaves it
    (run / "checkpoints/checkpoint-98").mkdir()  # of a disk that lost what was not flushed
    with (run / "samples.jsonl").open("a") as out:
        out.write('{"step": 98, "prom')

    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert "resumed after step" in (run / "log.txt").read_text()
    kept = {folder.name for folder in (run / "checkpoints").iterdir()}
    assert "checkpoint-24" in kept and not kept & {"part", "checkpoint-98"}
    assert_same_end(tmp_path, whole)


def test_asked_to_stop_it_saves_and_says_so(
    whole: Path, tmp_path: Path, base: Path, data: Path
) -> None:
    config = write_config(tmp_path, base, data)
    run = tmp_path / "run"
    begun = start("training.finetune", config, "--out", run)
    while not (run / "checkpoints/checkpoint-6").exists():
        assert begun.poll() is None, begun.communicate()
        time.sleep(0.005)
    begun.terminate()
    _, said = begun.communicate(timeout=600)
    assert begun.returncode == 3, said
    assert said.strip().splitlines()[-1].endswith("stopped; the same command goes on from here")
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "stopped"
    found = checkpoints.latest(run / "checkpoints")
    assert found is not None and found[0].name == f"checkpoint-{status['step']}"

    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert_same_end(tmp_path, whole)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    whole: Path, tmp_path: Path, base: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files stands for it: the weights fit, the optimiser does not."""
    config = write_config(tmp_path, base, data)
    run = tmp_path / "run"
    fits = (whole / "adapter/adapter_model.safetensors").stat().st_size + 4096
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (fits, before[1]))
    try:
        assert finetune.main([str(config), "--out", str(run)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "checkpoint 6 could not be written" in line
    assert list((run / "checkpoints").iterdir()) == []
    assert json.loads((run / "status.json").read_text())["state"] == "failed"
    assert not (tmp_path / "adapter").exists()

    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert_same_end(tmp_path, whole)


def test_a_finished_run_started_again_changes_nothing(whole: Path) -> None:
    before = (whole / "adapter/adapter_model.safetensors").read_bytes()
    assert finetune.main([str(whole / "config.yaml"), "--out", str(whole / "run")]) == 0
    assert (whole / "adapter/adapter_model.safetensors").read_bytes() == before


def test_a_run_with_another_rank_is_not_gone_on_with(
    whole: Path, tmp_path: Path, base: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = write_config(tmp_path, base, data, output=str(whole / "adapter"), rank=4)
    assert finetune.main([str(changed), "--out", str(whole / "run")]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "holds a run with another rank" in line


def test_it_waits_for_its_turn_and_can_be_stopped_there(
    tmp_path: Path,
    base: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = write_config(tmp_path, base, data, epochs=1)
    run = tmp_path / "run"
    with turn(tmp_path, print):
        begun = start("training.finetune", config, "--out", run)
        until(lambda: state_of(run) == "queued", told=lambda: str(begun.poll()))
        assert json.loads((run / "status.json").read_text())["ahead"] == 1
        # What can't be used is refused at once, not after hours of waiting.
        for changes in ({"data": "none.jsonl"}, {"max_length": 4096}, {"targets": ["none"]}):
            other = tmp_path / "other"
            other.mkdir(exist_ok=True)
            refused = write_config(other, base, data, **changes)
            capsys.readouterr()
            # In one directory: what was refused is mended and begun again there.
            assert finetune.main([str(refused), "--out", str(tmp_path / "refused")]) == 2
            assert f"training.finetune: {next(iter(changes))}: " in capsys.readouterr().err
        begun.terminate()
        _, said = begun.communicate(timeout=60)
    assert begun.returncode == 3
    assert said.splitlines() == [
        "training.finetune: waits for the accelerator: 1 ahead",
        "training.finetune: stopped; the same command goes on from here",
    ]
    assert state_of(run) == "stopped" and not list((run / "checkpoints").iterdir())
    assert Line(tmp_path).numbers() == []

    in_line = []
    load = models.load_base
    monkeypatch.setattr(
        models, "load_base", lambda *a: in_line.append(Line(tmp_path).numbers()) or load(*a)
    )
    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert in_line == [[1]] and Line(tmp_path).numbers() == []


def test_a_second_sigterm_waits_for_the_save_and_a_second_ctrl_c_does_not() -> None:
    stop = finetune.Stop()
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGTERM)  # nothing to save yet
    stop.training = True
    stop(signal.SIGTERM)
    stop(signal.SIGTERM)
    assert stop.asked
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGINT)
