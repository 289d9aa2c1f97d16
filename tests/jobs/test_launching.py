"""Scripts as processes: started, followed, stopped and resumed through files alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_arena.jobs.launching import JobError, Launcher
from mi_arena.jobs.places import HERE, SECRETS, Gpus, Place, place_of, record_of
from mi_arena.jobs.run_directory import RunDirectory, begin_status
from mi_arena.jobs.viewing import RunView, all_runs, log_tail, metrics, view_run
from mi_arena.settings import ROOT
from tests.processes import until

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from mi_arena.jobs.run_directory import RunDirectory, begin_status
run = RunDirectory(sys.argv[1])
mode = sys.argv[2]
if mode == "refuse":
    print("slow_script: the file is empty; name another", file=sys.stderr)
    sys.exit(2)
if mode == "estimate":
    print("about 3 USD")
    sys.exit(0)
run.start({"mode": mode}, total=3)
signal.signal(signal.SIGTERM, lambda *_: (run.end("stopped"), sys.exit(3)))
done = Path(sys.argv[1]) / "done"
print("secrets:", os.environ.get("MI_ARENA_SECRET"), os.environ.get("HF_TOKEN"))
for step in range(1, 4):
    run.metric(step=step, cost=step / 10)
    run.progress(step)
    run.log(f"step {step}")
    while mode == "wait" and step == 2 and not (Path(sys.argv[1]) / "go").exists():
        time.sleep(0.01)
run.end("done")
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/slow_script.py").write_text(SCRIPT)
    (tmp_path / "code/mi_arena").symlink_to(ROOT / "mi_arena")
    made = Launcher(tmp_path / "runs", {"slow_script"}, tmp_path / "code")
    yield made
    for run in made.runs():
        if run.active and run.pid:
            os.kill(run.pid, signal.SIGKILL)


def start(launcher: Launcher, mode: str) -> RunView:
    folder = launcher.new_folder("Slow script")
    return launcher.submit(folder, "slow_script", [str(folder), mode])


def test_a_run_is_followed_to_its_end(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_ARENA_SECRET", "the study's own secret")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    begun = start(launcher, "go")
    assert begun.active and begun.script == "slow_script"
    until(lambda: not launcher.status(begun.name).active)
    run = launcher.status(begun.name)
    assert (run.state, run.step, run.total, run.share) == ("done", 3, 3, 1.0)
    assert [record["cost"] for record in metrics(run.path)] == [0.1, 0.2, 0.3]
    assert [line.partition(" ")[2] for line in log_tail(run.path, 2)] == ["step 2", "step 3"]
    assert (run.path / "console.txt").read_text() == "secrets: None None\n"
    assert launcher.logs(run.name, 1)[0].endswith("step 3")
    assert [file.name for file in launcher.fetch(run.name)] == [
        "config.yaml", "console.txt", "log.txt", "metrics.jsonl",
    ]  # fmt: skip


def test_a_script_that_needs_the_hub_sees_its_token_alone(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, f"the {name}")
    allowed = Launcher(
        launcher.root, {"slow_script"}, launcher._working, {"slow_script": ["HF_TOKEN"]}
    )
    run = start(allowed, "go")
    until(lambda: not launcher.status(run.name).active)
    assert (run.path / "console.txt").read_text() == "secrets: None the HF_TOKEN\n"


def test_a_refusal_before_it_begins_is_the_runs_error(launcher: Launcher) -> None:
    begun = start(launcher, "refuse")
    until(lambda: not launcher.status(begun.name).active)
    run = launcher.status(begun.name)
    assert run.state == "failed"
    assert run.error == "slow_script: the file is empty; name another"


def test_what_has_nothing_to_run_is_done(launcher: Launcher) -> None:
    begun = start(launcher, "estimate")
    until(lambda: launcher.status(begun.name).state == "done")
    assert log_tail(begun.path) == ["about 3 USD"]


def test_stop_and_resume(launcher: Launcher) -> None:
    run = start(launcher, "wait")
    until(lambda: launcher.status(run.name).step == 2)
    with pytest.raises(JobError, match="still_running"):
        launcher.resume(run.name)
    launcher.stop(run.name)
    until(lambda: launcher.status(run.name).state == "stopped")
    with pytest.raises(JobError, match="not_running"):
        launcher.stop(run.name)
    (run.path / "go").touch()
    again = launcher.resume(run.name)
    assert again.name == run.name and again.pid != run.pid
    until(lambda: launcher.status(run.name).state == "done")


def test_stopped_while_it_is_still_beginning(launcher: Launcher) -> None:
    run = start(launcher, "go")
    launcher.stop(run.name)
    until(lambda: not launcher.status(run.name).active)
    stopped = launcher.status(run.name)
    assert (stopped.state, stopped.error) in {("stopped", None), ("done", None)}
    if stopped.state == "stopped":
        launcher.resume(run.name)
        until(lambda: launcher.status(run.name).state == "done")


def test_an_upload_cannot_pose_as_a_run(launcher: Launcher, tmp_path: Path) -> None:
    forged = RunDirectory(launcher.root / "uploads")
    forged.start({}, 1)
    forged.end("stopped")
    command = {"module": "slow_script", "arguments": [str(tmp_path / "elsewhere"), "go"]}
    (launcher.root / "uploads/command.json").write_text(json.dumps(command))
    assert launcher.runs() == []
    for action in (launcher.status, launcher.stop, launcher.resume):
        with pytest.raises(JobError, match="no_run"):
            action("uploads")
    assert not (tmp_path / "elsewhere").exists()


def test_a_killed_run_is_lost_and_can_be_resumed(launcher: Launcher) -> None:
    run = start(launcher, "wait")
    until(lambda: launcher.status(run.name).step == 2)
    pid = launcher.status(run.name).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: launcher.status(run.name).state == "lost")
    (run.path / "go").touch()
    launcher.resume(run.name)
    until(lambda: launcher.status(run.name).state == "done")


def test_two_who_resume_at_once_start_one_process(launcher: Launcher) -> None:
    run = start(launcher, "wait")
    until(lambda: launcher.status(run.name).step == 2)
    launcher.stop(run.name)
    until(lambda: launcher.status(run.name).state == "stopped")
    outcomes: list[str] = []

    def resume() -> None:
        try:
            launcher.resume(run.name)
            outcomes.append("started")
        except JobError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["started", *["still_running"] * 3]


def test_a_script_from_a_shell_shows_up_and_a_restart_loses_nothing(launcher: Launcher) -> None:
    folder = launcher.root / "by-hand" / "out.run"
    code = f"import sys; sys.argv = ['x', {str(folder)!r}, 'go']\n{SCRIPT}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    [run] = Launcher(launcher.root, set(), ROOT).runs()
    assert (run.name, run.state, run.script) == ("by-hand/out.run", "done", None)
    with pytest.raises(JobError, match="from_a_shell"):
        launcher.resume(run.name)


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "", ".", "no-such-run", "a/../../b"])
def test_names_that_are_no_run(launcher: Launcher, name: str, tmp_path: Path) -> None:
    outside = RunDirectory(tmp_path / "elsewhere")
    outside.start({}, 1)
    with pytest.raises(JobError, match="no_run"):
        launcher.status(name)


def test_only_known_scripts_start(launcher: Launcher) -> None:
    folder = launcher.new_folder("x")
    with pytest.raises(JobError, match="no_script"):
        launcher.submit(folder, "os", [])
    (folder / "command.json").write_text(json.dumps({"module": "os", "arguments": []}))
    RunDirectory(folder).end("stopped")
    with pytest.raises(JobError, match="no_script"):
        launcher.resume(folder.name)


def test_several_gpus_are_accelerates_affair_and_no_users_config_matters() -> None:
    words = Gpus(3).words("a.script", ["--x", "y"])
    assert words[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    assert words[-4:] == ["-m", "a.script", "--x", "y"]
    assert "--num_processes=3" in words
    [named] = [word.partition("=")[2] for word in words if word.startswith("--config_file=")]
    assert Path(named).is_file()
    with pytest.raises(ValueError, match="at least 2"):
        Gpus(1)


def test_a_command_of_before_there_were_places(launcher: Launcher) -> None:
    folder = launcher.new_folder("x")
    RunDirectory(folder).end("stopped")
    old = {"module": "slow_script", "arguments": [str(folder), "go"]}
    (folder / "command.json").write_text(json.dumps(old))
    launcher.resume(folder.name)
    until(lambda: launcher.status(folder.name).state == "done")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"module": "slow_script"}',
        '{"arguments": [], "module": "slow_script", "place": {"name": "moon"}}',
        '{"arguments": [], "module": "slow_script", "place": '
        '{"name": "gpus", "processes": "2; rm"}}',
    ],
)
def test_a_damaged_command_is_not_started(launcher: Launcher, text: str) -> None:
    folder = launcher.new_folder("x")
    RunDirectory(folder).end("stopped")
    (folder / "command.json").write_text(text)
    with pytest.raises(JobError, match="from_a_shell"):
        launcher.resume(folder.name)


@pytest.mark.parametrize("place", [HERE, Gpus(3)])
def test_a_place_is_written_and_read(place: Place) -> None:
    assert place_of(json.loads(json.dumps(record_of(place)))) == place


def test_what_is_queued_is_active_and_tells_its_place(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.prepare({"rank": 8})
    run.queue(2)
    seen = view_run(tmp_path, run.path)
    assert seen is not None and seen.active and (seen.state, seen.ahead) == ("queued", 2)
    said = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps(said | {"pid_started": 1.0}))
    gone = view_run(tmp_path, run.path)
    assert gone is not None and (gone.state, gone.ahead) == ("lost", None)
    (run.path / "stop-asked").touch()
    asked = view_run(tmp_path, run.path)
    assert asked is not None and asked.state == "stopped"
    run.start({}, 3)
    begun = view_run(tmp_path, run.path)
    assert begun is not None and (begun.state, begun.ahead) == ("running", None)


def test_the_error_is_the_scripts_own_line_whoever_speaks_after_it(launcher: Launcher) -> None:
    folder = launcher.new_folder("x")
    begin_status(folder, 2**22 + 1)
    (folder / "command.json").write_text(json.dumps({"module": "a.script", "arguments": []}))
    (folder / "console.txt").write_text("warm\na.script: no file\nTraceback\n=====\n")
    assert launcher.status(folder.name).error == "a.script: no file"


def test_damaged_files_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/status.json").write_text("{")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/status.json").write_text("[]")
    assert all_runs(tmp_path) == []
    assert all_runs(tmp_path / "none") == []
    (tmp_path / "b/metrics.jsonl").write_text('{"step": 1}\n{"st')
    assert metrics(tmp_path / "b") == [{"step": 1}]


def test_a_run_from_a_shell_tells_its_script_and_is_not_resumed_here(launcher: Launcher) -> None:
    folder = launcher.new_folder("By hand")
    words = [sys.executable, "-m", "slow_script", str(folder), "go"]
    subprocess.run(words, cwd=launcher.root.parent / "code", check=True, capture_output=True)
    run = launcher.status(folder.name)
    assert (run.script, run.state, run.by_app) == ("slow_script", "done", False)
    with pytest.raises(JobError, match="from_a_shell"):
        launcher.resume(run.name)
