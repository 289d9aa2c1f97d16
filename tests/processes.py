"""Start a script, wait until it has come somewhere, and kill it without warning."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    """``python -m module`` on one thread, so that its sums come out as in this process."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """The process must not have ended before. Patient on a busy machine."""
    deadline = time.monotonic() + 600
    while not reached():
        if process.poll() is not None:
            raise AssertionError(f"ended before it came there: {process.communicate()}")
        assert time.monotonic() < deadline, "never came to where it was waited for"
        time.sleep(0.005)


def kill_when(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """SIGKILL as soon as ``reached``."""
    wait_until(process, reached)
    process.kill()
    process.communicate()
    assert process.returncode == -9


def until(true: Callable[[], object], seconds: float = 300, told: Callable[[], str] = str) -> None:
    """Wait for what another process or thread does; ``told`` says how far it came, if it didn't."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it never came about: {told()}"
        time.sleep(0.005)
