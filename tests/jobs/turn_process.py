"""Processes that take their turn on the accelerator, or serve and give way, and say so in files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ROOT, until

POLL = 0.01

TRAINING = """
import sys
from pathlib import Path
from mi_arena.jobs.script import stop_on_terminate
from mi_arena.jobs.turns import turn
root, out = Path(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
stop_on_terminate()
try:
    with turn(root, lambda ahead: print(ahead, file=out), float(sys.argv[3])):
        print("in", file=out)
        sys.stdin.readline()
except KeyboardInterrupt:
    print("stopped", file=out)
    sys.exit(3)
print("out", file=out)
"""

SERVING = """
import sys
from pathlib import Path
from mi_arena.jobs.giving_way import GivingWay
root, out = Path(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
def pause():
    print("pausing", file=out)
    while sys.argv[4] == "hang":
        pass
    print("paused", file=out)
way = GivingWay(root, pause, lambda: print("resumed", file=out), float(sys.argv[3]))
print("ready", file=out)
sys.stdin.readline()
way.close()
"""


class Told:
    """A process and what it has said so far."""

    def __init__(self, folder: Path, name: str, script: str, *more: str):
        self.file = folder / f"{name}.said"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(folder), str(self.file), str(POLL), *more],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            text=True,
        )

    @property
    def said(self) -> list[str]:
        return self.file.read_text().split() if self.file.exists() else []

    def says(self, *words: str) -> None:
        """Wait until this, and nothing else, is all that it has said."""
        until(lambda: self.said == list(words), told=lambda: f"{self.said} and not {words}")

    def leave(self) -> None:
        """Let it end by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0


class Floor:
    """Starts processes over one folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.begun: list[Told] = []

    def training(self, name: str) -> Told:
        return self._begin(name, TRAINING)

    def serving(self, name: str, pausing: str = "at once") -> Told:
        return self._begin(name, SERVING, pausing)

    def tickets(self) -> list[str]:
        return [file.name for file in (self.folder / ".accelerator").glob("*.ticket")]

    def _begin(self, name: str, script: str, *more: str) -> Told:
        self.begun.append(Told(self.folder, name, script, *more))
        return self.begun[-1]


@contextmanager
def floor_in(folder: Path) -> Iterator[Floor]:
    made = Floor(folder)
    try:
        yield made
    finally:
        for told in made.begun:
            told.process.kill()
            told.process.wait()
