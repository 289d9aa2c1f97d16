"""A registry of small pairs, a test set, and the command over both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from eval.respond.command import main
from mi_arena.dialogue import Dialogue
from mi_arena.pairs import Pair
from tests.small_dialogues import write

ALL = "base,base_prompted,tuned"
Main = Callable[[list[str]], int]


def registry(path: Path, *pairs: Pair) -> Path:
    records = [pair.model_dump(mode="json", exclude_none=True) for pair in pairs]
    path.write_text(yaml.safe_dump({"pairs": records}, allow_unicode=True), encoding="utf-8")
    return path


class CommandDesk:
    """A folder with a registry of ``pair``, and a command over it and ``source``."""

    def __init__(self, folder: Path, pair: Pair, main: Main, option: str, source: Path):
        self.folder, self.pair, self._main = folder, pair, main
        self.models = registry(folder / "models.yaml", pair)
        self._source = [option, source]

    def words(self, name: str, *more: object) -> list[str]:
        """The command's arguments; its output goes to ``name``. Later words win."""
        given = ["--pair", self.pair.id, "--models", self.models, *self._source]
        return [str(word) for word in [*given, "--out", self.folder / name, *more]]

    def run(self, name: str, *more: object) -> int:
        return self._main(self.words(name, *more))

    def lines(self, name: str) -> list[dict[str, Any]]:
        text = (self.folder / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def told(self, name: str, file: str) -> dict[str, Any]:
        """What a file of the run directory says."""
        found: dict[str, Any] = json.loads((self.folder / f"{name}.run" / file).read_text())
        return found


class Desk(CommandDesk):
    """One folder with a registry of ``pair`` and a test set."""

    def __init__(self, folder: Path, pair: Pair, dialogues: list[Dialogue]):
        self.data = write(folder / "test.jsonl", dialogues)
        super().__init__(folder, pair, main, "--data", self.data)

    def status(self, name: str) -> dict[str, Any]:
        return self.told(name, "status.json")
