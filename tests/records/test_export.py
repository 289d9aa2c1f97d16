import os
import subprocess
import sys
from pathlib import Path

import pytest

from mi_arena.records.__main__ import main
from mi_arena.records.battle_events import ConsentGiven
from mi_arena.records.events import Event
from mi_arena.records.store import DATABASE_NAME, EventStore


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def events(data: Path) -> list[Event]:
    consents = [ConsentGiven(version=f"第{n}版", lang="zh") for n in range(3)]
    events = [Event.of(one, role="public", rater="ann") for one in consents]
    EventStore(data / DATABASE_NAME).append_all(events)
    return events


def read(out: Path) -> list[Event]:
    return [Event.model_validate_json(line) for line in out.read_text("utf-8").splitlines()]


def test_export_from_a_shell(data: Path, events: list[Event], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "mi_arena.records", "export", "--out", str(out)]
    done = subprocess.run(
        command,
        env={**os.environ, "MI_ARENA_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"3 events written to {out}\n", "")
    assert read(out) == events


def test_replaces_an_older_export_and_leaves_nothing_beside_it(
    data: Path, events: list[Event], tmp_path: Path
) -> None:
    out = tmp_path / "exports" / "out.jsonl"
    out.parent.mkdir()
    out.write_text("old")
    assert main(["export", "--out", str(out), "--data", str(data)]) == 0
    assert read(out) == events
    assert list(out.parent.iterdir()) == [out]


def test_an_empty_store_gives_an_empty_file(data: Path, tmp_path: Path) -> None:
    EventStore(data / DATABASE_NAME)
    assert main(["export", "--out", str(tmp_path / "out"), "--data", str(data)]) == 0
    assert (tmp_path / "out").read_text() == ""


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["export", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("error: ") and told.err.count("\n") == 1
    return told.err


def test_no_store(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--data" in refused(["--out", str(tmp_path / "o"), "--data", str(data)], capsys)
    assert not data.exists() and not (tmp_path / "o").exists()


def test_a_store_that_cannot_be_read(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.mkdir()
    (data / DATABASE_NAME).write_bytes(b"something else " * 100)
    told = refused(["--out", str(tmp_path / "o"), "--data", str(data)], capsys)
    assert "not a database" in told
    assert not (tmp_path / "o").exists()


def test_a_bad_event_leaves_the_older_export(
    data: Path, events: list[Event], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with EventStore(data / DATABASE_NAME)._writer.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events (event_id, kind, created_at, role, payload) VALUES "
            "('x', 'withdrawn', '2026-01-01T00:00:00+00:00', 'public', '{}')"
        )
    out = tmp_path / "out.jsonl"
    out.write_text("old")
    assert "event 4" in refused(["--out", str(out), "--data", str(data)], capsys)
    assert out.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [data, out]


def test_a_place_that_cannot_be_written(
    data: Path, events: list[Event], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "nowhere" / "out.jsonl"
    assert "make it first" in refused(["--out", str(missing), "--data", str(data)], capsys)
    assert "folder" in refused(["--out", str(tmp_path), "--data", str(data)], capsys)


@pytest.mark.parametrize("arguments", [["--help"], ["export", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "python -m mi_arena.records" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["export"], ["import"]])
def test_wrong_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
