"""Counts from a shell: they add up, or an alarm says where they don't."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.access.identity import Identity
from mi_arena.publishing import opening
from mi_arena.publishing.alarms import Alarm
from mi_arena.publishing.opening import open_publisher
from mi_arena.publishing.private_dataset import PrivateDataset
from mi_arena.publishing.status import (
    InDataset,
    _in_dataset,
    _Known,
    _Stored,
    alarms_of,
    read_status,
)
from mi_arena.records.__main__ import main
from mi_arena.records.release_events import ReleasePushed, TableCounts
from mi_arena.records.store import DATABASE_NAME
from mi_arena.release import push_command
from mi_arena.release.__main__ import main as push_main
from mi_arena.release.build import build
from mi_arena.release.status import note_release
from mi_arena.release.tables import TABLES
from mi_arena.settings import Settings
from tests.publishing.conftest import REPO, judgement, open_index, open_outbox, open_store
from tests.release.small_study import SECRET, Plan, SmallStudy
from tests.training.on_hub.hub_stand_in import TOKEN, HubStandIn

WELL = InDataset(
    dataset="me/x",
    events_in_dataset=3,
    events_published=3,
    events_waiting=0,
    events_only_there=0,
    events_doubled=0,
    judgements_published=1,
    judgements_waiting=0,
    oldest_waiting_seconds=None,
    another_copy=None,
    off=None,
    taking=True,
    last_commit=None,
    last_error=None,
)


LONG_WAITING = {"events_waiting": 2, "oldest_waiting_seconds": 99999.0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"events_waiting": 2, "oldest_waiting_seconds": 590.0}, None),
        ({"events_waiting": 2, "oldest_waiting_seconds": 610.0}, "2 events wait"),
        ({"taking": False}, "not restored"),
        ({"taking": None}, None),
        ({"events_only_there": 1}, "1 events of the dataset are not in the store"),
        ({"events_doubled": 4}, "4 events stand in the dataset more than once"),
        ({"another_copy": {"events": 8, "seconds": -3.0}}, "8 events came into the dataset"),
        ({"another_copy": {"events": 8, "seconds": 601.0}}, "two take what raters say; stop"),
        ({"off": "not_set"}, "MI_ARENA_DATASET is not set"),
        ({"off": "not_set", **LONG_WAITING}, "MI_ARENA_DATASET is not set"),
        ({"off": "meant", **LONG_WAITING}, "2 events are on this disk alone"),
    ],
)
def test_alarms(changes: dict[str, Any], words: str | None) -> None:
    alarms = alarms_of(replace(WELL, **changes), seconds=120)
    assert len(alarms) == (words is not None)
    assert all(words is not None and words in alarm.line for alarm in alarms)


def status(data: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["status", "--json", "--data", str(data)]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_from_a_shell_while_the_app_has_everything_open(
    dataset: PrivateDataset, tmp_path: Path
) -> None:
    outbox, store, index = (
        open_outbox(tmp_path, dataset),
        open_store(tmp_path),
        open_index(tmp_path),
    )
    index.note("publishing", {"dataset": "me/arena-records", "seconds": 60})
    store.append_all(judgement(f"b{n}") for n in range(3))
    outbox.publish()
    store.append(judgement("b3", reason="我想戒烟"))
    done = subprocess.run(
        [sys.executable, "-m", "mi_arena.records", "status", "--json"],
        env={**os.environ, "MI_ARENA_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (4, "") and "戒烟" not in done.stdout
    there = told["publishing"]
    assert (told["events_stored"], there["events_published"], there["events_waiting"]) == (4, 3, 1)
    assert (told["judgements_acknowledged"], there["judgements_waiting"]) == (4, 1)
    assert there["dataset"] == "me/arena-records" and 0 < there["oldest_waiting_seconds"] < 600
    assert told["release"] is None and told["release_reason"]
    # No battle was shown for these judgements.
    (alarm,) = told["alarms"]
    assert alarm.startswith("4 judgements are of battles whose beginning is not stored")


def test_a_judgement_of_no_battle_is_an_alarm_however_many_battles_there_are(
    tmp_path: Path,
) -> None:
    study = SmallStudy(tmp_path)
    for _ in range(3):
        study.battle(study.epoch(), Plan(judged=False))
    assert read_status(tmp_path).alarms == []
    study.store.append(judgement("lost"))
    (alarm,) = read_status(tmp_path).alarms
    line = alarm.line
    assert "1 judgements are of battles" in line and "restart" in line and "\n" not in line
    study.store.close()


def test_without_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_store(tmp_path)
    told = status(tmp_path, capsys)
    assert told["publishing"] is None and "MI_ARENA_DATASET" in told["publishing_reason"]
    assert told["events_stored"] == 0 and told["alarms"] == []
    assert main(["status", "--data", str(tmp_path)]) == 0
    assert "events stored              0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dataset_now", "code", "word"), [("none", 0, "NOTICE"), (None, 4, "ALARM")]
)
def test_a_folder_that_publishes_no_more_says_whether_that_is_meant(
    dataset: PrivateDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dataset_now: str | None,
    code: int,
    word: str,
) -> None:
    outbox, study = open_outbox(tmp_path, dataset), SmallStudy(tmp_path)
    epoch = study.epoch()
    outbox.publish()
    study.battle(epoch)
    open_index(tmp_path).note("taking", False)  # it was killed while it restored
    open_index(tmp_path).note("another_copy", {"events": 1, "seconds": 9999.0})
    store = study.store
    assert open_publisher(Settings(data=tmp_path, dataset=dataset_now), store) is None
    in_a_week = read_status(tmp_path, datetime.now(UTC) + timedelta(days=7))
    assert len([*in_a_week.alarms, *in_a_week.notices]) == 1
    assert main(["status", "--data", str(tmp_path)]) == code
    told = [line for line in capsys.readouterr().out.splitlines() if "MI_ARENA_DATASET" in line]
    assert len(told) == 1 and told[0].startswith(f"{word}: nothing is published")
    # Once it is set again, what has gathered goes out, and all is well.
    monkeypatch.setattr(opening, "get_token", lambda: TOKEN)
    monkeypatch.setattr(opening, "open_dataset", lambda *_: dataset)
    publisher = open_publisher(Settings(data=tmp_path, dataset=REPO), store)
    assert publisher is not None and publisher.wait_for_restore(60) and publisher.close(60)
    well = read_status(tmp_path)
    assert (well.alarms, well.notices) == ([], [])
    assert well.publishing is not None and well.publishing.events_waiting == 0


def test_a_folder_without_records_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--data", str(tmp_path)]) == 2
    assert DATABASE_NAME in capsys.readouterr().err


def test_a_store_that_was_lost_under_the_app_is_an_alarm(
    dataset: PrivateDataset, tmp_path: Path
) -> None:
    outbox, store = open_outbox(tmp_path, dataset), open_store(tmp_path)
    store.append(judgement())
    outbox.publish()
    for file in tmp_path.glob(f"{DATABASE_NAME}*"):
        file.unlink()
    open_store(tmp_path)
    told = read_status(tmp_path)
    assert told.publishing is not None and told.publishing.events_only_there == 1
    assert "are not in the store" in told.alarms[0].line


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3))
def test_the_counts_add_up(published: int, waiting: int, lost: int) -> None:
    now = datetime.now(UTC)
    here = [f"{n}" for n in range(published + waiting)]
    stored = dict.fromkeys(here, _Stored("judgement", (now - timedelta(seconds=9)).isoformat()))
    ids = {*here[:published], *(f"lost {n}" for n in range(lost))}
    found = _in_dataset(_Known(ids, len(ids), {}), stored, now)
    assert found.events_published + found.events_waiting == len(here)
    assert found.events_published + found.events_only_there == found.events_in_dataset == len(ids)
    assert found.judgements_published + found.judgements_waiting == len(here)
    assert (found.oldest_waiting_seconds == 9) is bool(waiting)


def test_a_jump_of_what_is_not_counted_is_an_alarm(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path)
    epoch = study.epoch()
    for number in range(24):  # copies of one talk, each by somebody else
        study.battle(epoch, Plan(who=Identity(f"r{number}", "public")))
    study.store.close()
    (alarm,) = read_status(tmp_path).alarms
    assert epoch.id in alarm.line and "100% of the latest 24 judgements are not" in alarm.line


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_whoever_asks_once_an_hour_is_woken_by_an_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    store = open_store(tmp_path)
    assert main(["status", *options, "--data", str(tmp_path)]) == 0
    assert "ALARM" not in capsys.readouterr().out
    store.append(judgement())
    assert main(["status", *options, "--data", str(tmp_path)]) == 4
    line = "1 judgements are of battles whose beginning is not stored"
    assert (f'"alarms": ["{line}' if options else f"ALARM: {line}") in capsys.readouterr().out


def test_a_restore_brings_the_last_release_back(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_command, "open_hub", lambda: HfApi(endpoint=hub.endpoint, token=TOKEN))
    data = tmp_path / "data"
    study = SmallStudy(data)
    epoch = study.epoch()
    study.battle(epoch)
    study.close(epoch)
    study.store.close()
    build(data, SECRET, tmp_path / "out")
    words = ["push", str(tmp_path / "out"), "--repo", "me/arena", "--data", str(data)]
    assert push_main(words) == 0
    open_outbox(data, dataset).publish()
    before = read_status(data)
    assert before.release is not None and before.release.judgements_since == 0

    shutil.rmtree(data)
    open_outbox(data, dataset).catch_up()
    after = read_status(data)
    assert after.release == before.release
    assert (after.events_stored, after.publishing) == (before.events_stored, before.publishing)


@pytest.mark.parametrize("table", TABLES)
def test_a_release_that_counts_more_than_is_stored_is_an_alarm(tmp_path: Path, table: str) -> None:
    study = SmallStudy(tmp_path)
    epoch = study.epoch()
    study.battle(epoch)
    there = {"judgements": (0, 1), "codings": (0, 0), "battles": (1, 0)}

    def pushed(**more: int) -> list[Alarm]:
        tables = {
            name: TableCounts(released=released + more.get(name, 0), left_out={"withdrawn": out})
            for name, (released, out) in there.items()
        }
        told = ReleasePushed(repo="a/b", commit="c", events=1, tombstones=0, tables=tables)
        note_release(study.store, told)
        return read_status(tmp_path).alarms

    assert pushed() == []
    (alarm,) = pushed(**{table: 2})
    assert alarm.line.startswith(f"{table}: the last release counts 2 more")
    assert read_status(tmp_path).release.judgements_since == 0
    study.store.close()
