"""What identifies an epoch: every byte of the weights, every setting, and no path of a machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mi_arena.battles.served import what_is_served
from mi_arena.study.fingerprint import epoch_fingerprint
from tests.conftest import make_pair


def fingerprint(*folders: Path, **changes: object) -> str:
    return epoch_fingerprint(what_is_served(make_pair(*folders, **changes)))


def test_the_same_things_elsewhere_are_the_same(
    pair_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    moved = shutil.copytree(pair_folders[0], tmp_path / "moved")
    assert fingerprint(moved, pair_folders[1]) == fingerprint(*pair_folders)
    served = json.dumps(what_is_served(make_pair(*pair_folders)))
    assert str(pair_folders[0].parent) not in served


@pytest.mark.parametrize(
    "change",
    [
        {"decoding": {"max_new_tokens": 25, "temperature": 0}},
        {"decoding": {"max_new_tokens": 24, "temperature": 0.1}},
        {"system_prompt": "你是一位咨询师"},
        {"dtype": "bfloat16"},
        {"context": 256},
    ],
)
def test_any_setting_makes_another_epoch(
    pair_folders: tuple[Path, Path], change: dict[str, object]
) -> None:
    assert fingerprint(*pair_folders, **change) != fingerprint(*pair_folders)


def test_one_byte_of_the_adapter_makes_another_epoch(
    pair_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    adapter = shutil.copytree(pair_folders[1], tmp_path / "adapter")
    weights = adapter / "adapter_model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert fingerprint(pair_folders[0], adapter) != fingerprint(*pair_folders)
