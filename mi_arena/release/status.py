"""What the last release that was pushed held: a small file in the data folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mi_arena.jobs.run_directory import write_atomically
from mi_arena.records.store import Unreadable
from mi_arena.release.manifest import Manifest

LAST_RELEASE = "last_release.json"
"""The file's name inside the data directory (``MI_ARENA_DATA``)."""


class LastRelease(BaseModel):
    """A release that is on the Hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str
    commit: str
    pushed_at: datetime
    held: Manifest
    """For each table: how many records it held, and why it did not hold the others."""


def release_status(data: Path) -> LastRelease | None:
    """The last release pushed from this data folder, ``None`` where there was none.

    Raises ``Unreadable`` where the note is damaged.
    """
    path = data / LAST_RELEASE
    try:
        return LastRelease.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise Unreadable(f"{path} cannot be read; push the release again") from None


def note_release(data: Path, released: LastRelease) -> None:
    """Keep it in the data folder. Raises ``OSError``."""
    text = released.model_dump_json(indent=1) + "\n"
    write_atomically(data / LAST_RELEASE, text, durable=True)
