"""The summary of talks with simulated clients, read by its file format."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mi_arena.jobs.dialogue_files import told_in_one_line
from mi_arena.jobs.script import BadInput


class _Given(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Change(_Given):
    """A mean with its interval, in points of readiness."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    reason: str | None = None


class SystemTalks(_Given):
    """How one system's talks went."""

    n: int
    ended: dict[str, int]
    rounds: int
    readiness_start: float | None
    readiness_end: float | None
    readiness_change: Change
    replies_with: dict[str, int]


class TalkDifference(_Given):
    """``system`` minus ``against`` with the same clients."""

    system: str
    against: str
    readiness_change: Change


class SimulatedSummary(_Given):
    """What ``summary.json`` holds, as far as the report needs it."""

    n_clients: int
    systems: dict[str, SystemTalks]
    differences: list[TalkDifference]
    caution: str


def read_simulated(path: Path) -> SimulatedSummary:
    """Raises ``BadInput``."""
    with told_in_one_line(path):
        text = path.read_bytes()
    try:
        return SimulatedSummary.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(
            f"{path}: {where}: {first['msg']}; name the summary.json of simulated talks"
        ) from None
