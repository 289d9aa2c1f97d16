"""What identifies an epoch: every byte of the weights, every setting, and no path of a machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mi_arena.battles.served import what_is_served
from mi_arena.pairs import Server, Source
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


def served_by_a_server(
    base: str = "org/qwen",
    tuned: str = "mi",
    weights: Source = Source(repo="org/qwen", revision="v1"),  # noqa: B008
    adapter: Source | None = None,
) -> str:
    """As JSON: two names of a server, and the sources beside it."""
    server = Server.model_validate({"url": "http://127.0.0.1/v1", "base": base, "tuned": tuned})
    pair = make_pair(Path("unused"), None)
    changed = {"server": server, "base": weights, "adapter": adapter}
    return json.dumps(what_is_served(pair.model_copy(update=changed)))


PATHS = ["/home/ann/qwen", "~/ann/qwen", "./ann/qwen", "../ann", r"C:\ann\qwen", "file:/ann/qwen"]


@pytest.mark.parametrize("path", PATHS)
def test_a_server_tells_no_path(path: str) -> None:
    """vLLM names a model after the folder that it was started with."""
    ways: list[Callable[[str], str]] = [
        lambda name: served_by_a_server(base=name),
        lambda name: served_by_a_server(tuned=name),
        lambda name: served_by_a_server(weights=Source(path=name)),
        lambda name: served_by_a_server(adapter=Source(path=name)),
    ]
    for told in ways:
        assert "ann" not in told(path) and "sha256" in told(path)
        assert told(path) == told(path) != told(f"{path}-2")


def test_a_repository_that_is_a_path_is_not_told(pair_folders: tuple[Path, Path]) -> None:
    base = Source(repo="/home/ann/qwen", revision="main")
    pair = make_pair(*pair_folders).model_copy(update={"base": base})
    assert "ann" not in json.dumps(what_is_served(pair))


def test_names_of_a_server_are_told_as_they_are() -> None:
    told = json.loads(served_by_a_server(tuned="team/qwen/mi-2"))
    assert told["server"] == {"base": "org/qwen", "tuned": "team/qwen/mi-2"}
    assert (told["base"], told["adapter"]) == ("org/qwen@v1", None)
