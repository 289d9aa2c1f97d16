"""The sliding window, under a fake clock and under threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.safety.limits import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_key_waits_until_its_oldest_grant_leaves_the_window() -> None:
    clock = Clock()
    limiter = RateLimiter(per_key=2, in_all=100, window=10, clock=clock)
    assert limiter.allow("a") == 0
    clock.now += 4
    assert limiter.allow("a") == 0
    clock.now += 1
    assert limiter.allow("a") == 5
    assert limiter.allow("b") == 0
    clock.now += 5
    assert limiter.allow("a") == 0
    assert limiter.allow("a") == 4


def test_being_refused_does_not_push_the_wait_out() -> None:
    clock = Clock()
    limiter = RateLimiter(per_key=1, in_all=100, window=10, clock=clock)
    limiter.allow("a")
    for _ in range(9):
        clock.now += 1
        assert limiter.allow("a") > 0
    clock.now += 1
    assert limiter.allow("a") == 0


def test_all_keys_together() -> None:
    clock = Clock()
    limiter = RateLimiter(per_key=5, in_all=3, window=10, clock=clock)
    assert [limiter.allow(key) for key in "abc"] == [0, 0, 0]
    assert limiter.allow("d") == 10
    clock.now += 10
    assert limiter.allow("d") == 0


def test_waiting_as_told_is_enough() -> None:
    clock = Clock()
    limiter = RateLimiter(per_key=1, in_all=2, window=0.1, clock=clock)
    for step in range(200):
        clock.now += 0.013 * (step % 7)
        wait = limiter.allow(f"k{step % 3}")
        if wait:
            clock.now += wait + 1e-9
            assert limiter.allow(f"k{step % 3}") == 0


def test_memory_is_bounded_by_the_grants() -> None:
    clock = Clock()
    limiter = RateLimiter(per_key=2, in_all=50, window=10, clock=clock)
    for number in range(10_000):
        limiter.allow(f"key {number}")
    assert len(limiter) == 50
    clock.now += 10
    limiter.allow("later")
    assert len(limiter) == 1


def test_threads_get_exactly_what_is_allowed() -> None:
    limiter = RateLimiter(per_key=30, in_all=100, window=1000, clock=Clock())
    granted: list[str] = []
    start = threading.Barrier(8)

    def knock(key: str) -> None:
        start.wait()
        for _ in range(200):
            if limiter.allow(key) == 0:
                granted.append(key)

    threads = [threading.Thread(target=knock, args=(f"k{n % 4}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 100
    assert max(granted.count(key) for key in set(granted)) <= 30


@pytest.mark.parametrize("bad", [(0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)])
def test_senseless_limits_are_refused(bad: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RateLimiter(*bad)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(min_value=0, max_value=6)), max_size=60)
)
@settings(deadline=None)
def test_never_more_than_allowed_in_any_window(calls: Sequence[tuple[str, int]]) -> None:
    clock = Clock()
    limiter = RateLimiter(per_key=2, in_all=4, window=10, clock=clock)
    grants: list[tuple[float, str]] = []
    for key, pause in calls:
        clock.now += pause
        wait = limiter.allow(key)
        recent = [k for t, k in grants if t > clock.now - 10]
        # It refuses when, and only when, one more would be too many.
        assert (wait > 0) == (len(recent) >= 4 or recent.count(key) >= 2)
        if wait == 0:
            grants.append((clock.now, key))
