"""``release.json``: how much is in a release and how much is not, for people and for programs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mi_arena.jobs.script import BadInput
from mi_arena.records.payloads import Count, Short
from mi_arena.records.release_events import TableCounts

MANIFEST = "release.json"


class Manifest(BaseModel):
    """The counts of a release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    events: Count
    """In the records when it was made."""
    newest: date | None
    """The day of the newest event."""
    tables: dict[Short, TableCounts]
    tombstones: Count
    masked: dict[str, int]
    """How often each kind of personal data was masked."""
    consents: dict[str, int]
    """By version of the notice: raters in the release whose last consent was to it."""


def read_manifest(folder: Path) -> Manifest:
    """Of a release's folder. Raises ``BadInput``."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        raise BadInput(
            f"{folder}: is no release; make one with `python -m mi_arena.release build --out DIR`"
        ) from None
