"""A base, data and a whole run of LoRA tuning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_dialogues import made_up, write
from tests.training.finetuning import write_config
from training import finetune


@pytest.fixture(scope="module")
def base(pair_folders: tuple[Path, Path]) -> Path:
    return pair_folders[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(
        tmp_path_factory.mktemp("data") / "mi.jsonl",
        made_up(20, quality="high"),
        made_up(4, seed=1, quality="low"),
        made_up(4, seed=2),
        made_up(3, seed=3, split="test"),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, base: Path, data: Path) -> Path:
    """An uninterrupted run; its folder."""
    folder = tmp_path_factory.mktemp("whole")
    config = write_config(folder, base, data)
    assert finetune.main([str(config), "--out", str(folder / "run")]) == 0
    return folder
