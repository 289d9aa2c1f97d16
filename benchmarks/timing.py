"""Two things timed in turn, and the row that tells their ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """One row of the table. ``goal`` is a bound on the ratio, or empty."""

    what: str
    ours: str
    baseline: str
    theirs: str
    ratio: float
    goal: str = ""
    spread: tuple[float, float] | None = None
    """The lowest and the highest ratio of a single run."""


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # a GPU answers before it is done
    return time.perf_counter() - began


def turns(first: Callable[[], T], second: Callable[[], T], runs: int) -> list[tuple[T, T]]:
    """What both answer, in turn, so that a machine that drifts drifts for both; a warm-up each."""
    first(), second()
    return [(first(), second()) for _ in range(runs)]


def in_turn(
    first: Callable[[], float], second: Callable[[], float], runs: int
) -> tuple[float, float, float]:
    """Medians of both, and the median of the ratios pair by pair; one warm-up each."""
    pairs = turns(first, second, runs)
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )
