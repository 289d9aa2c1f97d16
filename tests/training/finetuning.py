"""Settings of a small LoRA tuning, and what its files tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

EPOCHS = 4


def write_config(folder: Path, base: Path, data: Path, /, **changes: Any) -> Path:
    settings = {
        "base": str(base),
        "data": str(data),
        "output": str(folder / "adapter"),
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "batch_dialogues": 4,
        "learning_rate": 0.01,
        "max_length": 256,
        "sample_prompts": ["我想戒烟。"],
        "sample_tokens": 8,
        **changes,
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in settings.items() if v != "REMOVED"}))
    return file


def record_of(adapter: Path) -> dict[str, Any]:
    return json.loads((adapter / "training.json").read_text())


def state_of(run: Path) -> str | None:
    file = run / "status.json"
    return json.loads(file.read_text())["state"] if file.exists() else None
