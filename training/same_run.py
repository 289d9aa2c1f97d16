"""To whom a run directory belongs: one config, and one place where it is trained."""

from __future__ import annotations

from pathlib import Path

import yaml

from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.script import BadInput

AFTERWARDS = {"merge", "push_to_hub"}
"""Keys that may change between two starts of one run: they concern its output alone."""
JOB_NAME = "job.json"
"""In the directory of a run that is trained on a rented machine."""


def check_same_run(run_path: Path, config: FinetuneConfig) -> None:
    """Refuse a directory that holds a run of another config: resuming would mix two runs."""
    file = run_path / "config.yaml"
    if not file.exists() or not _has_begun(run_path):
        return
    before = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    now = config.model_dump()
    keys = (before.keys() | now.keys()) - AFTERWARDS
    changed = sorted(key for key in keys if before.get(key) != now.get(key))
    if changed:
        raise BadInput(
            f"{run_path}: holds a run with another {', '.join(changed)}; give another --out"
        )


def _has_begun(run_path: Path) -> bool:
    """Whether there is something to go on from: a config that was refused leaves nothing."""
    trained = any((run_path / "checkpoints").glob("checkpoint-*"))
    return trained or (run_path / JOB_NAME).exists()


def check_place(run_path: Path, rented: bool) -> None:
    """Refuse to go on here with what was begun on a rented machine, and the other way round."""
    if not _has_begun(run_path) or (run_path / JOB_NAME).exists() is rented:
        return
    begun, script = (
        ("this machine", "training.finetune") if rented else ("a rented machine", "training.on_hub")
    )
    raise BadInput(
        f"{run_path}: holds a run that was begun on {begun}; go on with {script}, or give "
        "another --out"
    )
