"""Where a run's process runs: what its command line is there, and which secrets it may see."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from mi_arena.settings import ROOT

SECRETS = ("MI_ARENA_SECRET", "MI_ARENA_ADMIN_CODE", "HF_TOKEN")
"""Not handed to scripts, but for those that a launcher names: no script needs the study's own."""
ACCELERATE_CONFIG = ROOT / "training/recipes/accelerate/ddp.yaml"
"""Named, so that a user's own default config of accelerate changes nothing."""


class Place(Protocol):
    """One kind of place. Its fields are what must be kept to find it again."""

    @property
    def name(self) -> str: ...

    def words(self, module: str, arguments: Sequence[str]) -> list[str]:
        """The command line that runs a script there."""
        ...


@dataclass(frozen=True)
class Here:
    """One process on this machine."""

    name: ClassVar[str] = "here"

    def words(self, module: str, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", module, *arguments]


@dataclass(frozen=True)
class Gpus:
    """A process on each of several GPUs of this machine; without GPUs, on its processor."""

    processes: int
    name: ClassVar[str] = "gpus"

    def __post_init__(self) -> None:
        if not isinstance(self.processes, int) or self.processes < 2:
            raise ValueError("several processes are at least 2")

    def words(self, module: str, arguments: Sequence[str]) -> list[str]:
        # Port 0: a free one, so that a run that is still ending is not in the way.
        launch = [
            f"--config_file={ACCELERATE_CONFIG}",
            f"--num_processes={self.processes}",
            "--main_process_port=0",
        ]
        return [
            sys.executable, "-m", "accelerate.commands.launch", *launch, "-m", module, *arguments,
        ]  # fmt: skip


HERE = Here()
KINDS: Mapping[str, type[Here] | type[Gpus]] = {kind.name: kind for kind in (Here, Gpus)}


def record_of(place: Place) -> dict[str, Any]:
    """A place as plain data, its options among them; ``place_of`` reads it back."""
    return {"name": place.name, **vars(place)}


def place_of(record: Mapping[str, Any]) -> Place:
    """Raises ``ValueError`` for a record of no place."""
    options = dict(record)
    try:
        return KINDS[options.pop("name")](**options)
    except (KeyError, TypeError):
        raise ValueError("no such place") from None


def environment(allowed: Collection[str]) -> dict[str, str]:
    """What a script's process sees: this process' environment, of the secrets those allowed."""
    hidden = set(SECRETS) - set(allowed)
    return {name: value for name, value in os.environ.items() if name not in hidden} | {
        "PYTHONUNBUFFERED": "1"
    }
