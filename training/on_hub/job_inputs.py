"""A config as a job is given it, and the files that it names: what lies where in the job.

Files keep the names that a run on this machine would tell of them, so that the records beside the
adapter come out the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.script import BadInput
from training.base_place import locate
from training.public_name import public_name

MOST_BYTES = 100 * 10**9
NOT_LOADED = {".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5", ".onnx"}
"""Weights that only older or other programs read; ours take safetensors."""


@dataclass(frozen=True)
class JobInputs:
    """Paths of ``config`` are relative to the job's working directory."""

    config: FinetuneConfig
    files: dict[str, Path]
    """Place in the job to file of this machine."""

    @property
    def text(self) -> str:
        return yaml.safe_dump(self.config.model_dump(), allow_unicode=True, sort_keys=False)

    @property
    def config_sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(file.stat().st_size for file in self.files.values())


def job_inputs(config: FinetuneConfig, taken: Collection[str]) -> JobInputs:
    """``taken`` are the names of the project's own files. Raises ``BadInput``."""
    files: dict[str, Path] = {}

    def place(key: str, given: str) -> str:
        file = Path(given)
        if not file.is_file():
            raise BadInput(f"{key}: {given}: no such file")
        name = _free(public_name(given), taken, files)
        files[name] = file
        return name

    changed: dict[str, Any] = {"output": public_name(config.output)}
    if locate(config.base)[1]:
        base = _free(public_name(config.base), taken, files)
        files |= {f"{base}/{file.name}": file for file in base_files(Path(config.base))}
        changed["base"] = base
    names = [place("data", file) for file in config.files]
    changed["data"] = names if isinstance(config.data, list) else names[0]
    if config.validation_data:
        changed["validation_data"] = place("validation_data", config.validation_data)
    made = JobInputs(config.model_copy(update=changed), files)
    if made.size > MOST_BYTES:
        raise BadInput(
            f"{made.size / 1e9:.0f} GB would have to be uploaded, more than {MOST_BYTES / 1e9:.0f};"
            " put the base into a model repository on the Hub and name that"
        )
    return made


def base_files(folder: Path) -> list[Path]:
    """What a model's folder is loaded from."""
    files = [
        file
        for file in sorted(folder.iterdir())
        if file.is_file() and file.suffix not in NOT_LOADED and not file.name.startswith(".")
    ]
    if not any(file.suffix == ".safetensors" for file in files):
        raise BadInput(f"base: {folder}: no safetensors in it")
    return files


def _free(name: str, taken: Collection[str], files: Collection[str]) -> str:
    """The name, or one below a numbered folder if it is another file's or a folder's."""

    def stands(name: str) -> bool:
        return any(other == name or other.startswith(f"{name}/") for other in [*taken, *files])

    if not stands(name):
        return name
    return next(f"{n}/{name}" for n in range(2, 10_000) if not stands(f"{n}/{name}"))
