"""A Baichuan2 checkpoint as a Llama: equal to the original's arithmetic, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoConfig, LlamaForCausalLM

from mi_arena.engine.loading import load_pair
from tests.conftest import make_pair
from tests.processes import kill_when, start
from tests.small_models import small_adapter
from tests.training.baichuan2_original import (
    GENERATION,
    HIDDEN,
    Tensors,
    greedy,
    logits_of,
    random_tensors,
    sentencepiece_bytes,
    write_checkpoint,
)
from training.convert_baichuan2 import making, weights
from training.convert_baichuan2.__main__ import main
from training.convert_baichuan2.config import VOCABULARY, Shape
from training.convert_baichuan2.weights import targets, unit_rows

pytestmark = pytest.mark.usefixtures("one_thread")

IDS = [195, 700, 5, 640, 125000, 196, 33, 34, 35, 699, 195, 8, 196]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return random_tensors()


@pytest.fixture(scope="module")
def pieces() -> bytes:
    return sentencepiece_bytes()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tensors: Tensors, pieces: bytes) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("original") / "Baichuan2", tensors, pieces)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    target = tmp_path_factory.mktemp("converted") / "llama"
    assert main([str(source), str(target)]) == 0
    return target


def loaded(folder: Path, dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    model, about = LlamaForCausalLM.from_pretrained(
        str(folder), dtype=dtype, local_files_only=True, output_loading_info=True
    )
    assert not about["missing_keys"] and not about["unexpected_keys"]
    assert not about["mismatched_keys"]
    return model.eval()


def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return loaded(folder)(torch.tensor([ids])).logits[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- equality


@pytest.mark.parametrize("layout", ["bin", "old bin", "sharded", "safetensors"])
def test_logits_are_the_originals(
    tmp_path: Path, tensors: Tensors, pieces: bytes, layout: str
) -> None:
    source = write_checkpoint(tmp_path / "original", tensors, pieces, layout)
    assert main([str(source), str(tmp_path / "llama"), "--shard-gb", "0.005"]) == 0
    wanted = logits_of(tensors, IDS)
    found = logits(tmp_path / "llama", IDS)
    assert wanted.std() > 0.5, "the comparison means something"
    assert (found - wanted).abs().max() < 1e-4
    assert len(list((tmp_path / "llama").glob("model-*.safetensors"))) > 2


def test_greedy_replies_are_equal(tensors: Tensors, converted: Path) -> None:
    made = loaded(converted).generate(
        torch.tensor([IDS]), do_sample=False, max_new_tokens=12, min_new_tokens=12,
        eos_token_id=None, repetition_penalty=1.0,
    )  # fmt: skip
    assert made[0, len(IDS) :].tolist() == greedy(tensors, IDS, 12)


def test_positions_far_apart_are_the_originals(tensors: Tensors, converted: Path) -> None:
    ids = torch.randint(3, 700, (600,), generator=torch.Generator().manual_seed(3)).tolist()
    difference = logits(converted, ids)[-1] - logits_of(tensors, ids)[-1]
    assert difference.abs().max() < 2e-4


def test_without_the_normalised_head_it_would_be_another_model(
    tensors: Tensors, converted: Path
) -> None:
    plain = logits_of(tensors, IDS, norm_head=False)
    assert (logits(converted, IDS) - plain).abs().max() > 1
    head = load_file(converted / "model.safetensors")["lm_head.weight"]
    assert torch.allclose(head.norm(dim=1), torch.ones(VOCABULARY), atol=1e-5)


@given(
    st.lists(
        st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3), min_size=1, max_size=5
    )
)
def test_unit_rows_are_torchs_normalize(rows: list[list[float]]) -> None:
    given_rows = torch.tensor(rows)
    wanted = torch.nn.functional.normalize(given_rows)
    assert torch.allclose(unit_rows(given_rows), wanted, atol=1e-6)


@given(
    heads=st.integers(1, 4), width=st.integers(1, 4), inner=st.integers(1, 40),
    layers=st.integers(1, 5), shard=st.integers(1, 40_000_000),
)  # fmt: skip
def test_every_row_of_the_original_goes_to_one_place(
    heads: int, width: int, inner: int, layers: int, shard: int
) -> None:
    shape = Shape(2 * heads * width, inner, layers, heads)
    rows: dict[str, int] = {}
    for target in targets(shape):
        assert target.start == rows.get(target.source, 0)
        rows[target.source] = target.start + target.shape[0]
    assert rows == {name: size[0] for name, size in shape.tensors().items()}
    shards = weights.planned(shape, "bfloat16", shard)
    assert [t for one in shards for t in one] == list(targets(shape))
    for one in shards:
        assert len(one) == 1 or weights.bytes_of([one], "bfloat16") <= shard


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_number_format_is_chosen(
    tmp_path: Path, source: Path, tensors: Tensors, dtype: str
) -> None:
    target = tmp_path / "llama"
    assert main([str(source), str(target), "--dtype", dtype]) == 0
    found = load_file(target / "model.safetensors")
    wanted = getattr(torch, dtype)
    assert {tensor.dtype for tensor in found.values()} == {wanted}
    packed = tensors["model.layers.1.self_attn.W_pack.weight"].to(wanted)
    assert torch.equal(found["model.layers.1.self_attn.k_proj.weight"], packed[HIDDEN : 2 * HIDDEN])
    assert torch.equal(found["lm_head.weight"], unit_rows(tensors["lm_head.weight"]).to(wanted))
    assert json.loads((target / "config.json").read_text())["dtype"] == dtype


def test_the_checkpoints_own_number_format_is_kept(tmp_path: Path, pieces: bytes) -> None:
    half = {name: tensor.to(torch.bfloat16) for name, tensor in random_tensors().items()}
    source = write_checkpoint(tmp_path / "original", half, pieces, torch_dtype="bfloat16")
    assert main([str(source), str(tmp_path / "llama")]) == 0
    found = load_file(tmp_path / "llama" / "model.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16}


def test_the_config_says_everything(converted: Path) -> None:
    config = AutoConfig.from_pretrained(str(converted), local_files_only=True)
    assert config.model_type == "llama" and not config.tie_word_embeddings
    assert config.rope_parameters == {"rope_type": "default", "rope_theta": 10000.0}
    assert (config.vocab_size, config.max_position_embeddings) == (VOCABULARY, 4096)
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (0, 1, 2)
    assert (config.num_key_value_heads, config.rms_norm_eps) == (4, 1e-6)
    assert json.loads((converted / "generation_config.json").read_text()) == GENERATION


def test_a_shard_holds_no_more_than_asked(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in memory at once is what is saved at once."""
    saved: list[int] = []
    save = weights.save_file

    def noted(tensors: Tensors, *rest: Any, **named: Any) -> None:
        saved.append(sum(t.numel() * t.element_size() for t in tensors.values()))
        save(tensors, *rest, **named)

    monkeypatch.setattr(weights, "save_file", noted)
    assert main([str(source), str(tmp_path / "llama"), "--shard-gb", "0.00003"]) == 0
    largest = VOCABULARY * HIDDEN * 4
    assert sorted(saved)[-2:] == [largest, largest]
    assert max(sorted(saved)[:-2]) <= 30_000


def test_stored_rotary_frequencies_are_looked_at(
    tmp_path: Path, tensors: Tensors, pieces: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    right = 1.0 / (10000 ** (torch.arange(0, 8, 2).float() / 8))
    for folder, base, code in (("right", right, 0), ("wrong", right**2, 2)):
        source = write_checkpoint(tmp_path / folder, tensors | {name: base}, pieces)
        assert main([str(source), str(tmp_path / f"{folder}-llama")]) == code
    assert "other rotary frequencies" in capsys.readouterr().err


# ---- in the arena


def test_it_serves_through_the_engine(tmp_path: Path, converted: Path, tensors: Tensors) -> None:
    adapter = small_adapter(tmp_path / "adapter", converted)
    pair = make_pair(converted, adapter, format="baichuan2")
    served = load_pair(pair)
    assert served.chat.stop_ids == {2, 195}
    served.mask.set([False])
    with torch.no_grad():
        found = served.model(torch.tensor([IDS])).logits[0]
    assert (found - logits_of(tensors, IDS)).abs().max() < 1e-4


def test_the_original_code_is_not_in_the_folder(converted: Path) -> None:
    names = {path.name for path in converted.iterdir()}
    assert names == {
        "config.json", "generation_config.json", "model.safetensors", "source.json",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert b"auto_map" not in (converted / "config.json").read_bytes()


# ---- again, and in between


def test_a_second_time_there_is_nothing_to_do(
    source: Path, converted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in converted.iterdir()}
    assert main([str(source), str(converted)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in converted.iterdir()} == before
    assert main([str(source), str(converted), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["written"] is False


def test_the_same_source_makes_the_same_bytes(
    tmp_path: Path, source: Path, converted: Path
) -> None:
    assert main([str(source), str(tmp_path / "again")]) == 0
    assert contents(tmp_path / "again") == contents(converted)


def test_a_changed_source_or_setting_or_a_torn_result_is_converted_anew(
    tmp_path: Path, tensors: Tensors, pieces: bytes
) -> None:
    source, target = write_checkpoint(tmp_path / "original", tensors, pieces), tmp_path / "llama"
    assert main([str(source), str(target)]) == 0
    first = contents(target)
    (target / "model.safetensors").write_bytes(b"torn")
    assert main([str(source), str(target)]) == 0
    assert contents(target) == first
    other = tensors | {"model.norm.weight": tensors["model.norm.weight"] + 1}
    torch.save(other, source / "pytorch_model.bin")
    assert main([str(source), str(target)]) == 0
    assert contents(target)["model.safetensors"] != first["model.safetensors"]
    assert main([str(source), str(target), "--dtype", "bfloat16"]) == 0
    assert json.loads((target / "source.json").read_text())["dtype"] == "bfloat16"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llama", "original"]


def test_source_json_says_what_it_was_made_from(source: Path, converted: Path) -> None:
    record = json.loads((converted / "source.json").read_text())
    assert set(record["inputs"]) == {
        "config.json", "generation_config.json", "pytorch_model.bin", "tokenizer.model",
    }  # fmt: skip
    said = subprocess.run(["sha256sum", *sorted(record["inputs"])], cwd=source, capture_output=True, text=True, check=True)  # noqa: E501  # fmt: skip
    assert [line.split()[0] for line in said.stdout.splitlines()] == [
        record["inputs"][name]["sha256"] for name in sorted(record["inputs"])
    ]
    assert record["commit"] is None and record["compared"]["texts"] > 700


def test_the_commit_of_a_download_is_noted(tmp_path: Path, tensors: Tensors, pieces: bytes) -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    cached = write_checkpoint(tmp_path / "snapshots" / commit, tensors, pieces)
    local = write_checkpoint(tmp_path / "local", tensors, pieces)
    noted = local / ".cache" / "huggingface" / "download"
    noted.mkdir(parents=True)
    (noted / "config.json.metadata").write_text(f"{commit}\netag\n1.0\n")
    for source in (cached, local):
        target = tmp_path / f"{source.name}-llama"
        assert main([str(source), str(target)]) == 0
        assert json.loads((target / "source.json").read_text())["commit"] == commit


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_in_the_middle_leaves_nothing_half(
    tmp_path: Path, tensors: Tensors, pieces: bytes, how: signal.Signals
) -> None:
    deep = random_tensors(layers=60)
    source = write_checkpoint(tmp_path / "original", deep, pieces, num_hidden_layers=60)
    target = tmp_path / "llama"
    command = ("training.convert_baichuan2", source, target, "--shard-gb", "0.000002")

    def begun() -> bool:
        return len(list(tmp_path.glob(".llama.part-*/model-*.safetensors"))) > 5

    process = start(*command)
    if how == signal.SIGKILL:
        kill_when(process, begun)
    else:
        while not begun():
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        process.terminate()
        assert "stopped" in process.communicate()[1]
        assert process.returncode == 3
        assert sorted(path.name for path in tmp_path.iterdir()) == ["original"]
    assert not target.exists()
    assert main([str(source), str(target)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llama", "original"]
    assert (logits(target, IDS) - logits_of(deep, IDS)).abs().max() < 1e-3


def test_a_failure_while_writing_keeps_the_earlier_conversion(
    tmp_path: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "llama"
    assert main([str(source), str(target)]) == 0
    before = contents(target)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    assert main([str(source), str(target), "--dtype", "float16"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert contents(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["llama"]


def test_a_disk_that_is_too_full_is_told_first(
    tmp_path: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(making.shutil, "disk_usage", lambda _: usage)
    assert main([str(source), str(tmp_path / "deep" / "er" / "llama")]) == 2
    assert "GB are free" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_the_run_directory(tmp_path: Path, source: Path) -> None:
    run = tmp_path / "run"
    assert main([str(source), str(tmp_path / "llama"), "--run", str(run)]) == 0
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["step"], status["total"]) == ("done", 100, 100)
    assert yaml.safe_load((run / "config.yaml").read_text())["source"] == str(source)
    assert main([str(source), str(source), "--run", str(run)]) == 2
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed" and "lies in the checkpoint itself" in status["error"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path, source: Path) -> None:
    (tmp_path / "disk").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "llama")
    assert main([str(source), str(tmp_path / "llama")]) == 0
    assert (tmp_path / "llama").is_symlink() and (tmp_path / "disk" / "config.json").is_file()
