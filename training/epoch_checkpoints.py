"""Checkpoints of a fine-tune, one folder per finished epoch, whole or not there at all.

A folder is written under a ``.part`` name, flushed to the disk, and renamed; what a kill leaves
half-written keeps its ``.part`` name and is swept away at the next start.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file


@dataclass(frozen=True)
class EpochResult:
    """Losses in nats per target token (counsellor turns with their ends); epoch 0 is the base."""

    epoch: int
    train_loss: float | None
    validation_loss: float | None


def best_epoch(history: Iterable[EpochResult]) -> int:
    """The epoch of the lowest validation loss, the base itself aside; without one, the last."""
    tuned = [result for result in history if result.epoch > 0]
    measured = [(r.validation_loss, r.epoch) for r in tuned if r.validation_loss is not None]
    return min(measured)[1] if measured else max(r.epoch for r in tuned)


def _folder(root: Path, epoch: int) -> Path:
    return root / f"epoch-{epoch:04d}"


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save(
    root: Path,
    adapter: dict[str, torch.Tensor],
    optimizer: dict[str, Any],
    history: list[EpochResult],
) -> None:
    """Keep the epoch that ``history`` ends with; of earlier ones only the best stays."""
    target = _folder(root, history[-1].epoch)
    part = target.with_name(target.name + ".part")
    part.mkdir()
    save_file(
        {k: v.detach().cpu().contiguous() for k, v in adapter.items()}, part / "a.safetensors"
    )
    torch.save(optimizer, part / "optimizer.pt")
    text = json.dumps([asdict(result) for result in history], indent=1)
    (part / "history.json").write_text(text, encoding="utf-8")
    for file in part.iterdir():
        _flush(file)
    part.rename(target)
    _flush(root)
    wanted = {target, _folder(root, best_epoch(history))}
    for old in root.glob("epoch-*"):
        if old not in wanted:
            shutil.rmtree(old)


def latest(root: Path) -> tuple[list[EpochResult], dict[str, torch.Tensor], dict[str, Any]] | None:
    """History, adapter and optimiser of the last complete epoch; sweeps half-written ones away."""
    for half in root.glob("epoch-*.part"):
        shutil.rmtree(half)
    complete = sorted(root.glob("epoch-*"))
    if not complete:
        return None
    raw = json.loads((complete[-1] / "history.json").read_text(encoding="utf-8"))
    optimizer = torch.load(complete[-1] / "optimizer.pt", map_location="cpu", weights_only=True)
    return ([EpochResult(**r) for r in raw], load_file(complete[-1] / "a.safetensors"), optimizer)


def adapter_of(root: Path, epoch: int) -> dict[str, torch.Tensor]:
    return load_file(_folder(root, epoch) / "a.safetensors")
