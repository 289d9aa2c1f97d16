"""What a run was started with, kept beside it so that it can go on: script, arguments and place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_arena.jobs.places import HERE, Place, place_of, record_of
from mi_arena.jobs.run_directory import COMMAND_NAME, write_atomically


@dataclass(frozen=True)
class Command:
    """``module`` is a script of the project; ``place`` is where it runs."""

    module: str
    arguments: Sequence[str]
    place: Place = HERE

    def words(self) -> list[str]:
        """The command line of its process."""
        return self.place.words(self.module, self.arguments)

    def keep(self, folder: Path) -> None:
        record = {
            "module": self.module,
            "arguments": list(self.arguments),
            "place": record_of(self.place),
        }
        text = json.dumps(record, ensure_ascii=False, indent=1)
        write_atomically(folder / COMMAND_NAME, text + "\n")


def kept(folder: Path) -> Command:
    """The command of a run; without a place it is one here. Raises ``ValueError``, ``OSError``."""
    record = json.loads((folder / COMMAND_NAME).read_text(encoding="utf-8"))
    try:
        arguments = [str(word) for word in record["arguments"]]
        place = place_of(record["place"]) if "place" in record else HERE
        return Command(str(record["module"]), arguments, place)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no command: {error}") from None
