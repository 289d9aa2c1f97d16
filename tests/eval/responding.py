"""A registry of small pairs, a test set, and the command over both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from eval.respond.command import main
from mi_arena.dialogue import Dialogue
from mi_arena.pairs import Pair
from tests.small_dialogues import write

ALL = "base,base_prompted,tuned"


def registry(path: Path, *pairs: Pair) -> Path:
    records = [pair.model_dump(mode="json", exclude_none=True) for pair in pairs]
    path.write_text(yaml.safe_dump({"pairs": records}, allow_unicode=True), encoding="utf-8")
    return path


class Desk:
    """One folder with a registry of ``pair`` and a test set."""

    def __init__(self, folder: Path, pair: Pair, dialogues: list[Dialogue]):
        self.folder, self.pair = folder, pair
        self.models = registry(folder / "models.yaml", pair)
        self.data = write(folder / "test.jsonl", dialogues)

    def words(self, name: str, *more: object) -> list[str]:
        """The command's arguments; predictions go to ``name``. Later words win."""
        given = ["--pair", self.pair.id, "--models", self.models, "--data", self.data]
        return [str(word) for word in [*given, "--out", self.folder / name, *more]]

    def run(self, name: str, *more: object) -> int:
        return main(self.words(name, *more))

    def lines(self, name: str) -> list[dict[str, Any]]:
        text = (self.folder / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"{name}.run/status.json").read_text())
        return found
