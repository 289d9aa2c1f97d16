"""The files that a form may choose from: what was uploaded, and what earlier runs wrote."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

UPLOADS = "uploads"
CORPUS_ENDINGS = (
    ".jsonl", ".jsonl.gz", ".json", ".csv", ".csv.gz", ".txt", ".zip", ".tar", ".tar.gz", ".tgz",
)  # fmt: skip
DIALOGUE_ENDINGS = (".jsonl", ".jsonl.gz")
RATINGS_NAME = "people.jsonl"
"""Experts' ratings, fetched into the run whose sample they rated."""
INSIDE_RUNS = frozenset(
    {
        "metrics.jsonl",
        "samples.jsonl",
        RATINGS_NAME,
        "reviews.jsonl",
        "rounds.jsonl",
        "replies.jsonl",
    }
)
"""No dialogues: chosen from only where a field asks for the very name."""
NO_DIALOGUES = (".dead.jsonl", ".left-out.jsonl")
"""Endings of what a run could not use."""
RUN_PAPERS = (".json", ".txt")
"""What runs write about themselves: only uploaded ones are corpora, and others are chosen from
only where a field asks for the very name."""
DEEPEST = 3


class NoSuchFile(ValueError):
    """A name that is no file below the root."""


@dataclass(frozen=True)
class Inputs:
    """Names are relative to ``root``, with forward slashes; nothing outside of it can be named."""

    root: Path
    built_in: Mapping[str, Path] = field(default_factory=dict)
    """Files that come with the project, under names that no file below the root has."""

    def names(self, endings: tuple[str, ...]) -> list[str]:
        """Files with one of these endings, those changed last first."""
        found: list[tuple[float, str]] = []
        pattern = "/".join(["*"] * DEEPEST)
        for depth in range(1, DEEPEST + 1):
            for path in self.root.glob("/".join(pattern.split("/")[:depth])):
                asked = path.name.endswith(endings) and path.is_file()
                papers = path.name.endswith(RUN_PAPERS) and path.parent.name != UPLOADS
                useless = path.name.endswith(NO_DIALOGUES)
                inside = papers or useless or path.name in INSIDE_RUNS
                if asked and (not inside or path.name in endings):
                    found.append((path.stat().st_mtime, path.relative_to(self.root).as_posix()))
        built_in = [name for name in self.built_in if name.endswith(endings)]
        return [*(name for _, name in sorted(found, reverse=True)), *built_in]

    def name(self, path: Path) -> str | None:
        """The name of a file; ``None`` where it has none, or is gone."""
        for name, built_in in self.built_in.items():
            if built_in.resolve() == path.resolve():
                return name
        root = self.root.resolve()
        if not path.resolve().is_relative_to(root) or not path.is_file():
            return None
        return path.resolve().relative_to(root).as_posix()

    def path(self, name: str) -> Path:
        """The file of a name. Raises ``NoSuchFile``."""
        if name in self.built_in:
            return self.built_in[name]
        root = self.root.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise NoSuchFile(name)
        return path

    def add(self, file: Path, name: str) -> str:
        """Keep a copy of an uploaded file under a name that is free; returns that name."""
        folder = self.root / UPLOADS
        folder.mkdir(parents=True, exist_ok=True)
        plain = re.sub(r"[^\w.\-]+", "_", Path(name).name).lstrip(".") or "corpus"
        stem, dot, ending = plain.partition(".")
        number = 1
        while True:
            chosen = folder / (plain if number == 1 else f"{stem}-{number}{dot}{ending}")
            try:
                with chosen.open("xb") as out, file.open("rb") as read:
                    shutil.copyfileobj(read, out)
            except FileExistsError:
                number += 1
                continue
            except OSError:
                chosen.unlink(missing_ok=True)
                raise
            return f"{UPLOADS}/{chosen.name}"
