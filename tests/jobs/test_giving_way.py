"""Serving and training on one device, in two processes: who waits for whom, and who is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_arena.engine.protocol import Away
from mi_arena.engine.residency import Residency
from mi_arena.jobs.giving_way import GivingWay
from tests.jobs.turn_process import POLL, Floor, floor_in
from tests.processes import until


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with floor_in(tmp_path) as made:
        yield made


def serve(floor: Floor) -> tuple[Residency[str], GivingWay]:
    """As the app does, with a name for a pair."""
    models = Residency(10, size=lambda name: 1, load=lambda name: name)
    return models, GivingWay(floor.folder, models.pause, models.resume, POLL)


def test_training_waits_for_who_is_answered_and_the_models_come_back(floor: Floor) -> None:
    models, way = serve(floor)
    assert models.acquire("pair") == "pair"
    first = floor.training("first")
    first.says("0")
    until(lambda: models.paused)
    with pytest.raises(Away):
        models.acquire("pair")
    assert models.holds("pair")  # somebody's answer is still on its way
    models.release("pair")
    first.says("0", "in")
    assert models.names() == []
    second = floor.training("second")
    second.says("1")
    first.leave()
    second.says("1", "in")  # and nothing was served in between
    assert models.paused
    second.leave()
    until(lambda: not models.paused)
    assert models.acquire("pair") == "pair"
    models.release("pair")
    way.close()


def test_an_app_that_starts_beside_a_run_starts_away(floor: Floor) -> None:
    run = floor.training("run")
    run.says("in")
    models, way = serve(floor)
    assert models.paused
    run.process.kill()
    until(lambda: not models.paused)
    way.close()


def test_an_app_killed_while_it_makes_room_holds_nobody_up(floor: Floor) -> None:
    app = floor.serving("app", "hang")
    app.says("ready")
    run = floor.training("run")
    run.says("0")
    app.says("ready", "pausing")
    app.process.kill()
    run.says("0", "in")


def test_a_run_killed_in_its_turn_gives_the_models_back(floor: Floor) -> None:
    apps = [floor.serving("app"), floor.serving("other-app")]
    for app in apps:
        app.says("ready")
    run = floor.training("run")
    until(lambda: "in" in run.said)
    for app in apps:
        app.says("ready", "pausing", "paused")
    run.process.kill()
    for app in apps:
        app.says("ready", "pausing", "paused", "resumed")


def test_a_run_that_stops_waiting_gives_them_back_too(floor: Floor) -> None:
    app = floor.serving("app")
    app.says("ready")
    run = floor.training("run")
    until(lambda: "in" in run.said)
    waiting = floor.training("waiting")
    waiting.says("1")
    run.leave()
    waiting.process.terminate()
    assert waiting.process.wait(60) == 3
    app.says("ready", "pausing", "paused", "resumed")


def test_closing_lets_go(floor: Floor) -> None:
    _, way = serve(floor)
    way.close()
    run = floor.training("run")
    run.says("in")
