"""The app as a process of its own: started, killed, started again, its disk filled for a while."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2
import psutil

from mi_arena.settings import ROOT

START_SECONDS = 120.0


class AppProcess:
    """``with`` it; ``url`` stays the same over restarts."""

    def __init__(self, port: int, environment: Mapping[str, str], console: Path):
        self.url = f"http://127.0.0.1:{port}/"
        self._environment = {**environment, "MI_ARENA_PORT": str(port)}
        self._console = console
        self._process: subprocess.Popen[bytes] | None = None
        self.starts: list[float] = []
        """Seconds that each start took until the page answered."""

    def __enter__(self) -> AppProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Blocks until the page answers. Raises ``RuntimeError`` where it never does."""
        began = time.monotonic()
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env=self._environment,
                stdout=console,
                stderr=console,
            )
        while time.monotonic() < began + START_SECONDS:
            if self._process.poll() is not None:
                raise RuntimeError(f"the app ended by itself: see {self._console}")
            try:
                httpx2.get(self.url, timeout=5).raise_for_status()
            except httpx2.HTTPError:
                time.sleep(0.1)
                continue
            self.starts.append(time.monotonic() - began)
            return
        raise RuntimeError(f"the app's page never came: see {self._console}")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = 120.0) -> int:
        """As a Space does it; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def fill_disk(self) -> None:
        """No file of the process can grow from now on."""
        self._limit_files(4096)

    def free_disk(self) -> None:
        self._limit_files(resource.RLIM_INFINITY)

    def memory(self) -> int | None:
        """Bytes of the process, its children's among them; ``None`` while it is down."""
        try:
            process = psutil.Process(self.pid)
            return sum(
                one.memory_info().rss for one in [process, *process.children(recursive=True)]
            )
        except psutil.Error:
            return None

    def _limit_files(self, size: int) -> None:
        _, hard = psutil.Process(self.pid).rlimit(resource.RLIMIT_FSIZE)
        psutil.Process(self.pid).rlimit(resource.RLIMIT_FSIZE, (size, hard))
