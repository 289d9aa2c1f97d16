"""One run at a time on the accelerator, first come first served, whoever is killed when."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_arena.jobs.script import BadInput
from mi_arena.jobs.turns import Line, turn
from tests.jobs.turn_process import Floor, floor_in


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with floor_in(tmp_path) as made:
        yield made


def test_first_come_first_served(floor: Floor) -> None:
    a = floor.training("a")
    a.says("in")
    b = floor.training("b")
    b.says("1")
    c = floor.training("c")
    c.says("2")
    a.leave()
    b.says("1", "in")
    c.says("2", "1")
    late = floor.training("late")
    late.says("2")
    b.leave()
    c.says("2", "1", "in")
    late.says("2", "1")
    c.leave()
    late.says("2", "1", "in")
    late.leave()
    assert floor.tickets() == []


def test_whoever_is_killed_the_others_move_up(floor: Floor) -> None:
    a = floor.training("a")
    a.says("in")
    b = floor.training("b")
    b.says("1")
    c = floor.training("c")
    c.says("2")
    d = floor.training("d")
    d.says("3")
    b.process.kill()  # while it waits
    c.says("2", "1")
    d.says("3", "2")  # before the next one dies: two deaths at once would be one step
    a.process.kill()  # while it trains
    c.says("2", "1", "in")
    d.says("3", "2", "1")
    c.process.kill()
    d.says("3", "2", "1", "in")
    d.leave()
    assert floor.tickets() == []


def test_stopped_while_waiting_it_leaves_the_line(floor: Floor) -> None:
    a = floor.training("a")
    a.says("in")
    b = floor.training("b")
    b.says("1")
    c = floor.training("c")
    c.says("2")
    b.process.send_signal(signal.SIGTERM)
    assert b.process.wait(60) == 3
    b.says("1", "stopped")
    c.says("2", "1")
    assert len(floor.tickets()) == 2


def test_nothing_is_told_where_nothing_is_waited_for(tmp_path: Path) -> None:
    told: list[int] = []
    with turn(tmp_path, told.append):
        assert Line(tmp_path).numbers() == [1]
    assert told == [] and Line(tmp_path).numbers() == []


def test_many_at_once_are_never_two(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(3):
            with turn(tmp_path, lambda _: None, 0.001):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.001)
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 18
    assert Line(tmp_path).numbers() == []


def test_a_folder_that_goes_away_ends_no_run(tmp_path: Path) -> None:
    with turn(tmp_path, lambda _: None):
        shutil.rmtree(tmp_path / ".accelerator")
    assert Line(tmp_path).numbers() == []


def test_where_nothing_can_be_written_it_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".accelerator").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written") as raised:
        Line(tmp_path)
    assert "\n" not in str(raised.value)
