"""Models leave the device when asked to, after those who use them, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from mi_arena.engine.protocol import Away, EngineError
from mi_arena.engine.residency import Residency
from tests.processes import until

WAIT = 60


class Loader:
    """Loads names, each when its gate is open."""

    def __init__(self) -> None:
        self.loading, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.loads: list[str] = []
        self.unloads = 0

    def load(self, name: str) -> str:
        self.loads.append(name)
        self.loading.set()
        assert self.gate.wait(WAIT)
        if name == "broken":
            raise EngineError("it is broken")
        return name

    def unload(self) -> None:
        self.unloads += 1


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def models(loader: Loader) -> Residency[str]:
    """Room for one at a time."""
    return Residency(1, lambda name: 1, loader.load, loader.unload)


def in_background(act: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """A thread, and what came of it: a value or an error."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(act())
        except EngineError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def ended(thread: threading.Thread) -> bool:
    thread.join(WAIT)
    return not thread.is_alive()


def test_pausing_waits_for_users_and_refuses_who_comes_and_who_waits(
    models: Residency[str], loader: Loader
) -> None:
    models.acquire("one")
    models.acquire("one")
    waiter, refused = in_background(lambda: models.acquire("two"))
    until(models.wanted)
    pausing, _ = in_background(models.pause)
    assert ended(waiter) and isinstance(refused[0], Away)
    assert "\n" not in str(refused[0]) and "training run" in str(refused[0])
    assert models.paused and models.wanted() and models.names() == ["one"]
    with pytest.raises(Away):
        models.acquire("one")
    models.release("one")
    assert pausing.is_alive() and models.holds("one")
    models.release("one")
    assert ended(pausing)
    assert models.names() == [] and loader.unloads == 1

    with pytest.raises(Away):
        models.acquire("two")
    models.resume()
    assert models.acquire("two") == "two" and not models.wanted()
    assert loader.loads == ["one", "two"]


def test_who_is_loading_still_gets_it_once(models: Residency[str], loader: Loader) -> None:
    loader.gate.clear()
    thread, got = in_background(lambda: models.acquire("one"))
    assert loader.loading.wait(WAIT)
    pausing, _ = in_background(models.pause)
    until(lambda: models.paused)
    loader.gate.set()
    assert ended(thread) and got == ["one"]
    assert pausing.is_alive()
    models.release("one")
    assert ended(pausing) and models.names() == []


def test_a_load_that_fails_holds_no_pause_up(models: Residency[str], loader: Loader) -> None:
    loader.gate.clear()
    thread, got = in_background(lambda: models.acquire("broken"))
    assert loader.loading.wait(WAIT)
    pausing, _ = in_background(models.pause)
    loader.gate.set()
    assert ended(thread) and isinstance(got[0], EngineError)
    assert ended(pausing) and models.paused


def test_coming_back_before_the_last_user_left(models: Residency[str], loader: Loader) -> None:
    models.acquire("one")
    pausing, _ = in_background(models.pause)
    until(lambda: models.paused)
    models.resume()
    assert ended(pausing)
    assert models.names() == ["one"] and loader.unloads == 0
    models.acquire("one")


def test_pausing_twice_and_with_nothing_there(models: Residency[str]) -> None:
    models.pause()
    models.pause()
    models.resume()
    models.resume()
    assert models.acquire("one") == "one"
