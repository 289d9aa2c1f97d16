"""Checkpoints of a fine-tune, one folder each, whole or not there at all; and the losses so far.

A folder is written inside ``part/``, flushed to the disk, and renamed; what a kill or a full disk
leaves half-written stays in there and is swept away at the next start.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "checkpoint-"
"""The trainer's own name of a checkpoint's folder; the step follows."""
PART = "part"
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Evaluation:
    """Losses in nats per target token (counsellor turns with their ends); epoch 0 is the base."""

    epoch: float
    """Epochs done; a whole number where one ends."""
    train_loss: float | None
    """Over the steps since the evaluation before."""
    validation_loss: float | None
    step: int


@dataclass
class Progress:
    """What a checkpoint keeps beside the trainer's own state."""

    history: list[Evaluation] = field(default_factory=list)
    nats: float = 0.0
    """Summed over the target tokens that were learnt from since the last evaluation."""
    tokens: int = 0


def best(history: Iterable[Evaluation]) -> Evaluation:
    """That of the lowest validation loss, the base itself aside; without one, the last."""
    tuned = [one for one in history if one.step > 0]
    measured = [one for one in tuned if one.validation_loss is not None]
    if not measured:
        return tuned[-1]
    return min(measured, key=lambda one: (one.validation_loss, one.step))


def out_of_patience(history: list[Evaluation], patience: int) -> bool:
    """Whether the last ``patience`` evaluations were all no better than an earlier one."""
    tuned = [one for one in history if one.step > 0]
    if not tuned or tuned[-1].validation_loss is None:
        return False
    return len(tuned) - 1 - tuned.index(best(tuned)) >= patience


def folder_of(root: Path, step: int) -> Path:
    return root / f"{PREFIX}{step}"


def latest(root: Path) -> tuple[Path, Progress] | None:
    """The last complete checkpoint; sweeps half-written ones away."""
    sweep(root)
    complete = [folder for folder in _folders(root) if (folder / PROGRESS).is_file()]
    for folder in set(_folders(root)) - set(complete):
        shutil.rmtree(folder, ignore_errors=True)  # another device's process may do it too
    if not complete:
        return None
    raw = json.loads((complete[-1] / PROGRESS).read_text(encoding="utf-8"))
    history = [Evaluation(**one) for one in raw.pop("history")]
    return complete[-1], Progress(history, **raw)


def sweep(root: Path) -> None:
    """Remove what was never finished."""
    shutil.rmtree(root / PART, ignore_errors=True)


def finish(root: Path, step: int, progress: Progress) -> None:
    """Put what was written inside ``part/`` in its place, with ``progress``, flushed."""
    part, target = folder_of(root / PART, step), folder_of(root, step)
    text = json.dumps(asdict(progress), indent=1)
    (part / PROGRESS).write_text(text, encoding="utf-8")
    for file in [*part.rglob("*"), part]:
        _flush(file)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    sweep(root)
    _flush(root)


def forget(root: Path, history: list[Evaluation], keep: int) -> None:
    """Remove all but the last ``keep`` checkpoints and the best one."""
    folders = _folders(root)
    wanted = {folder_of(root, best(history).step)} if any(e.step for e in history) else set()
    for old in folders[:-keep]:
        if old not in wanted:
            shutil.rmtree(old)


def trim(file: Path, step: int) -> None:
    """Leave out the records of a JSONL file after ``step``: a resumed run writes them again."""
    if not file.exists():
        return
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            record: Any = json.loads(line)
        except ValueError:  # half a line, as a kill leaves it
            continue
        if record.get("step", 0) <= step:
            kept.append(line + "\n")
    part = file.with_name(file.name + ".part")
    part.write_text("".join(kept), encoding="utf-8")
    os.replace(part, file)


def _folders(root: Path) -> list[Path]:
    found = [f for f in root.glob(f"{PREFIX}*") if f.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda folder: int(folder.name.removeprefix(PREFIX)))


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
