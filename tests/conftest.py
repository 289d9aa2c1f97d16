"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch

from mi_arena.pairs import Pair
from tests.small_models import small_adapter, small_base

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def pair_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small base and its adapter on disk."""
    root = tmp_path_factory.mktemp("pair")
    base = small_base(root / "base")
    return base, small_adapter(root / "adapter", base)


def make_pair(base: Path, adapter: Path | None, name: str = "tiny", **changes: object) -> Pair:
    """An entry of models.yaml over local folders."""
    return Pair.model_validate(
        {
            "id": name,
            "name": {"zh": "小模型", "en": "Tiny"},
            "base": {"path": str(base)},
            "adapter": {"path": str(adapter)} if adapter else None,
            "format": "demo",
            "dtype": "float32",
            "context": 512,
            "decoding": {"max_new_tokens": 24, "temperature": 0},
            "licence": "Apache-2.0",
            **changes,
        }
    )


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For tiny batches, which win nothing from a second core and wait for it where it is busy;
    sums then also come out alike in this process and in those that a test starts."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_pair(pair_folders: tuple[Path, Path]) -> Pair:
    return make_pair(*pair_folders)
