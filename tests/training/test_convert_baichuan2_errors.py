"""What the converter refuses: one line that says what and why, exit code 2, nothing written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.training.baichuan2_original import (
    CODE,
    CONFIG,
    Tensors,
    random_tensors,
    sentencepiece_bytes,
    write_checkpoint,
)
from training.convert_baichuan2.__main__ import main

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return random_tensors()


@pytest.fixture(scope="module")
def pieces() -> bytes:
    return sentencepiece_bytes()


@pytest.fixture
def source(tmp_path: Path, tensors: Tensors, pieces: bytes) -> Path:
    return write_checkpoint(tmp_path / "in" / "original", tensors, pieces)


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the converter, which must refuse; its line."""

    def run(*arguments: object) -> str:
        before = sorted(path for path in tmp_path.rglob("*") if "in" not in path.parts)
        assert main([str(each) for each in arguments]) == 2
        said = capsys.readouterr()
        assert not said.out and said.err.count("\n") == 1
        assert said.err.startswith("training.convert_baichuan2: ")
        assert sorted(p for p in tmp_path.rglob("*") if "in" not in p.parts) == before
        return said.err

    return run


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"model_type": "qwen2"}, 'model_type is "qwen2", so this is no Baichuan2'),
    ({"model_type": "llama"}, "a Llama already"),
    ({"vocab_size": 64000}, "Baichuan 1"),
    ({"vocab_size": 32000}, "a Baichuan2 has 125696"),
    ({"hidden_size": 5120, "num_attention_heads": 40}, "a Baichuan2-13B, which"),
    ({"max_position_embeddings": "REMOVED"}, "ALiBi"),
    ({"max_position_embeddings": 8192}, "Baichuan2-7B has 4096"),
    ({"quantization_config": {"load_in_4bit": True}}, "quantised"),
    ({"hidden_act": "gelu"}, "silu"),
    ({"tie_word_embeddings": True}, "a head of its own"),
    ({"num_hidden_layers": "two"}, 'num_hidden_layers is "two"'),
    ({"num_attention_heads": 5}, "makes no 5 heads"),
    ({"rms_norm_eps": None}, "rms_norm_eps is null"),
    ({"num_hidden_layers": 3}, "7 tensors are missing: model.layers.2."),
    ({"num_hidden_layers": 1}, "7 tensors are not of a Baichuan2-7B"),
    ({"intermediate_size": 64}, "is 48 × 32, but config.json makes it 64 × 32"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), CONFIGS)
def test_configs(
    source: Path, tmp_path: Path, refused: Any, changes: dict[str, Any], said: str
) -> None:
    config = {k: v for k, v in (CONFIG | changes).items() if v != "REMOVED"}
    (source / "config.json").write_text(json.dumps(config))
    assert said in refused(source, tmp_path / "llama")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FILES: list[tuple[str, str, str]] = [
    ("config.json", "removed", "no config.json in it"),
    ("config.json", "cut", "not JSON"),
    ("generation_config.json", "cut", "not JSON"),
    ("tokenizer.model", "removed", "tokenizer.model: no such file"),
    ("tokenizer.model", "cut", "not a sentencepiece model, or torn"),
    ("tokenizer.model", "empty", "not a sentencepiece model, or torn"),
    ("pytorch_model.bin", "removed", "no weights in it"),
    ("pytorch_model.bin", "cut", "torn or not a checkpoint"),
    ("pytorch_model.bin", "empty", "torn or not a checkpoint"),
    ("pytorch_model.bin", "LFS", "Git LFS pointer"),
    ("pytorch_model.bin", "code", "holds more than tensors"),
    ("pytorch_model.bin", "nested", "state_dict is not a tensor"),
]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("the-code-ran",)


@pytest.mark.parametrize(("name", "what", "said"), FILES)
def test_files(
    source: Path, tmp_path: Path, refused: Any, name: str, what: str, said: str,
    tensors: Tensors, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(source.parent)
    file = source / name
    if what == "removed":
        file.unlink()
    elif what == "cut":
        cut(file)
    elif what == "empty":
        file.write_bytes(b"")
    elif what == "LFS":
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    elif what == "code":
        torch.save({"model.norm.weight": Evil()}, file)
    else:
        torch.save({"state_dict": tensors}, file)
    assert said in refused(source, tmp_path / "llama")
    assert not (source.parent / "the-code-ran").exists()


def test_no_such_folder(tmp_path: Path, refused: Any) -> None:
    assert "hf download" in refused("baichuan-inc/Baichuan2-7B-Chat", tmp_path / "llama")


@pytest.mark.parametrize("layout", ["sharded", "safetensors"])
def test_a_torn_or_missing_shard(
    tmp_path: Path, tensors: Tensors, pieces: bytes, refused: Any, layout: str
) -> None:
    source = write_checkpoint(tmp_path / "in" / "original", tensors, pieces, layout)
    file = source / (
        "model.safetensors" if layout == "safetensors" else "pytorch_model-00002-of-00003.bin"
    )
    cut(file)
    assert "torn or not a checkpoint" in refused(source, tmp_path / "llama")
    file.unlink()
    said = refused(source, tmp_path / "llama")
    assert ("no weights in it" if layout == "safetensors" else "though the index names it") in said


def test_a_shard_without_its_index_is_missed_by_its_tensors(
    tmp_path: Path, tensors: Tensors, pieces: bytes, refused: Any
) -> None:
    source = write_checkpoint(tmp_path / "in" / "original", tensors, pieces, "sharded")
    (source / "pytorch_model.bin.index.json").unlink()
    (source / "pytorch_model-00003-of-00003.bin").unlink()
    said = refused(source, tmp_path / "llama")
    assert "tensors are missing" in said and "more" in said


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": {"a": "../x.bin"}}])
def test_indexes(source: Path, tmp_path: Path, refused: Any, index: dict[str, Any]) -> None:
    (source / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    said = refused(source, tmp_path / "llama")
    assert "has no weight_map" in said or "outside its folder" in said


def test_numbers_that_cannot_be(
    tmp_path: Path, tensors: Tensors, pieces: bytes, refused: Any
) -> None:
    norm = tensors["model.norm.weight"].clone()
    for value, dtype, said in (
        (float("nan"), "float32", "infinite or undefined"),
        (1e6, "float16", "use --dtype bfloat16"),
    ):
        norm[3] = value
        changed = tensors | {"model.norm.weight": norm}
        source = write_checkpoint(tmp_path / "in" / dtype, changed, pieces)
        assert said in refused(source, tmp_path / "llama", "--dtype", dtype)


def test_a_tensor_twice(tmp_path: Path, tensors: Tensors, pieces: bytes, refused: Any) -> None:
    source = write_checkpoint(tmp_path / "in" / "original", tensors, pieces, "safetensors")
    one = {"model.norm.weight": tensors["model.norm.weight"]}
    save_file(one, source / "model-more.safetensors")
    assert "stands in" in refused(source, tmp_path / "llama")


def test_folders_that_hold_something_else(source: Path, tmp_path: Path, refused: Any) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    assert "holds other files than a conversion" in refused(source, other)
    (other / "source.json").write_text("{}")
    assert "holds other files than a conversion" in refused(source, other)
    assert (other / "thesis.txt").read_text() == "mine"
    assert "is no folder" in refused(source, other / "thesis.txt")
    assert "lies in the checkpoint itself" in refused(source, source / "llama")


ARGUMENTS: list[tuple[list[str], str]] = [
    ([], "name SRC and DST"),
    (["only"], "DST is missing"),
    (["--adapter", "a"], "--adapter-out goes with"),
    (["a", "b", "--adapter-out", "c"], "--adapter-out goes with"),
]


@pytest.mark.parametrize(("arguments", "said"), ARGUMENTS)
def test_arguments(refused: Any, arguments: list[str], said: str) -> None:
    assert said in refused(*arguments)


@pytest.mark.parametrize("size", ["0", "-1", "much", "nan"])
def test_sizes_of_a_shard(size: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["a", "b", "--shard-gb", size])
    assert stopped.value.code == 2


def test_the_code_beside_a_checkpoint_would_have_been_noticed(source: Path) -> None:
    assert "raise SystemExit" in CODE and (source / "modeling_baichuan.py").read_text() == CODE
