"""W_pack adapters on the Llama and back: the same logits, or one line that says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import LlamaForCausalLM

from mi_arena.engine.loading import load_pair
from tests.conftest import make_pair
from tests.training.baichuan2_original import (
    CONFIG,
    HIDDEN,
    INNER,
    LAYERS,
    Tensors,
    logits_of,
    random_tensors,
    sentencepiece_bytes,
    write_checkpoint,
)
from training.convert_baichuan2.__main__ import main
from training.convert_baichuan2.adapters import Lora, packed, unpacked

pytestmark = pytest.mark.usefixtures("one_thread")

IDS = [195, 700, 5, 640, 196, 33, 34, 35, 195, 8, 196]
SHAPES = {
    "self_attn.W_pack": (3 * HIDDEN, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return random_tensors()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tensors: Tensors) -> Path:
    folder = tmp_path_factory.mktemp("original") / "Baichuan2"
    return write_checkpoint(folder, tensors, sentencepiece_bytes())


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    target = tmp_path_factory.mktemp("converted") / "llama"
    assert main([str(source), str(target)]) == 0
    return target


class OriginalShell(nn.Module):
    """The original's modules by name, for peft to put adapters on; it never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.config = dict(CONFIG)
        self.model = nn.Module()
        self.model.layers = nn.ModuleList()
        for _ in range(LAYERS):
            layer = nn.Module()
            layer.self_attn, layer.mlp = nn.Module(), nn.Module()
            for name, (outputs, inputs) in SHAPES.items():
                room, _, own = name.partition(".")
                setattr(getattr(layer, room), own, nn.Linear(inputs, outputs, bias=False))
            self.model.layers.append(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("only its adapters are of interest")


def w_pack_adapter(folder: Path, seed: int = 1, **options: Any) -> tuple[Path, Tensors]:
    """A random adapter as peft saves it for the original, and what it adds to each weight."""
    settings: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": ["W_pack"], **options}
    tuned = get_peft_model(OriginalShell(), LoraConfig(**settings))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    tuned.save_pretrained(str(folder))
    updates = {
        name.removeprefix("base_model.model."): module.get_delta_weight("default").detach()
        for name, module in tuned.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    return folder, updates


def tuned_logits(llama: Path, adapter: Path) -> torch.Tensor:
    base = LlamaForCausalLM.from_pretrained(str(llama), dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, str(adapter)).eval()
    with torch.no_grad():
        return tuned(input_ids=torch.tensor([IDS])).logits[0]


OPTIONS: dict[str, dict[str, Any]] = {
    "W_pack": {},
    "all": {"target_modules": [name.split(".")[1] for name in SHAPES]},
    "rslora": {"use_rslora": True},
    "one layer": {"layers_to_transform": [1]},
    "an expression": {"target_modules": r".*\.0\.(self_attn\.W_pack|mlp\.\w+_proj)"},
    "patterns": {
        "target_modules": ["W_pack", "o_proj", "down_proj"],
        "rank_pattern": {"W_pack": 2, r"layers.1.mlp.down_proj": 6},
        "alpha_pattern": {r"0\.self_attn\.W_pack": 20, "o_proj": 3},
    },
}


@pytest.mark.parametrize("what", list(OPTIONS))
def test_there_and_back(tmp_path: Path, llama: Path, tensors: Tensors, what: str) -> None:
    """On the Llama it does what it did to the original; back again it is what it was."""
    original, updates = w_pack_adapter(tmp_path / "original", **OPTIONS[what])
    there, back = tmp_path / "there", tmp_path / "back"
    assert main(["--adapter", str(original), "--adapter-out", str(there)]) == 0
    wanted = logits_of(tensors, IDS, updates)
    assert (wanted - logits_of(tensors, IDS)).abs().max() > 0.1, "the adapter does something"
    assert (tuned_logits(llama, there) - wanted).abs().max() < 1e-4

    assert main(["--adapter-back", str(there), "--adapter-out", str(back)]) == 0
    name = "adapter_model.safetensors"
    first, last = load_file(original / name), load_file(back / name)
    assert first.keys() == last.keys()
    assert all(torch.equal(first[key], last[key]) for key in first)
    shell = PeftModel.from_pretrained(OriginalShell(), str(back))  # type: ignore[arg-type]
    again = {
        name.removeprefix("base_model.model."): module.get_delta_weight("default").detach()
        for name, module in shell.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    assert again.keys() == updates.keys()
    assert all(torch.allclose(again[key], updates[key], atol=1e-6) for key in updates)


def test_it_serves_in_the_arena(tmp_path: Path, source: Path, tensors: Tensors) -> None:
    """One command turns both over; base and tuned rows are then the original's."""
    original, updates = w_pack_adapter(tmp_path / "original", **OPTIONS["patterns"])
    target, adapter = tmp_path / "llama", tmp_path / "adapter"
    argv = [source, target, "--adapter", original, "--adapter-out", adapter]
    assert main([str(each) for each in argv]) == 0
    assert json.loads((adapter / "adapter_config.json").read_text())[
        "base_model_name_or_path"
    ] == str(target)
    served = load_pair(make_pair(target, adapter, format="baichuan2"))
    served.mask.set([False, True])
    with torch.no_grad():
        base, tuned = served.model(torch.tensor([IDS, IDS])).logits
    assert (base - logits_of(tensors, IDS)).abs().max() < 1e-4
    assert (tuned - logits_of(tensors, IDS, updates)).abs().max() < 1e-4


@given(
    width=st.integers(1, 6), rank=st.integers(1, 4), alpha=st.floats(0.5, 64),
    layers=st.sets(st.integers(0, 40), min_size=1, max_size=4), seed=st.integers(0, 999),
)  # fmt: skip
def test_turning_twice_changes_nothing(
    width: int, rank: int, alpha: float, layers: set[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    adapter = {
        (layer, "self_attn.W_pack"): Lora(
            torch.randn(rank, width, generator=generator),
            torch.randn(3 * width, rank, generator=generator),
            alpha,
        )
        for layer in layers
    }
    apart = unpacked(adapter, "it")
    for (layer, _), lora in adapter.items():
        parts = [apart[layer, f"self_attn.{name}_proj"] for name in "qkv"]
        assert torch.equal(torch.cat([p.b @ p.a for p in parts]), torch.cat(
            [lora.b[i * width : (i + 1) * width] @ lora.a for i in range(3)]
        ))  # fmt: skip
    whole = packed(apart, "it")
    assert whole.keys() == adapter.keys()
    for key, lora in whole.items():
        assert torch.equal(lora.a, adapter[key].a) and torch.equal(lora.b, adapter[key].b)
        assert lora.alpha == alpha


def llama_adapter(folder: Path, llama: Path, **options: Any) -> Path:
    model = LlamaForCausalLM.from_pretrained(str(llama), dtype=torch.float32)
    settings: dict[str, Any] = {"r": 4, "lora_alpha": 8, **options}
    tuned = get_peft_model(model, LoraConfig(**settings))
    generator = torch.Generator().manual_seed(5)
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    tuned.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(each) for each in arguments]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1
    return said.err


def test_matrices_trained_apart_do_not_go_back(
    tmp_path: Path, llama: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    adapter = llama_adapter(tmp_path / "a", llama, target_modules=["q_proj", "k_proj", "v_proj"])
    capsys.readouterr()
    said = refusal(capsys, "--adapter-back", adapter, "--adapter-out", tmp_path / "out")
    assert "layer 0: q_proj and k_proj have different A matrices" in said
    assert not (tmp_path / "out").exists()


def test_one_of_the_three_alone_goes_back(tmp_path: Path, llama: Path, tensors: Tensors) -> None:
    adapter = llama_adapter(tmp_path / "a", llama, target_modules=["v_proj", "up_proj"])
    back, there = tmp_path / "back", tmp_path / "there"
    assert main(["--adapter-back", str(adapter), "--adapter-out", str(back)]) == 0
    shell = PeftModel.from_pretrained(OriginalShell(), str(back))  # type: ignore[arg-type]
    updates = {
        name.removeprefix("base_model.model."): module.get_delta_weight("default").detach()
        for name, module in shell.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    wanted = tuned_logits(llama, adapter)
    assert (logits_of(tensors, IDS, updates) - wanted).abs().max() < 1e-4
    assert main(["--adapter", str(back), "--adapter-out", str(there)]) == 0
    assert (tuned_logits(llama, there) - wanted).abs().max() < 1e-4


def test_different_alphas_do_not_go_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, _ = w_pack_adapter(tmp_path / "original")
    there = tmp_path / "there"
    assert main(["--adapter", str(original), "--adapter-out", str(there)]) == 0
    config = json.loads((there / "adapter_config.json").read_text())
    config["alpha_pattern"] = {"k_proj": 3}
    (there / "adapter_config.json").write_text(json.dumps(config))
    capsys.readouterr()
    said = refusal(capsys, "--adapter-back", there, "--adapter-out", tmp_path / "out")
    assert "q_proj and k_proj have different alpha" in said


def test_a_bin_adapter_and_a_second_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original, _ = w_pack_adapter(tmp_path / "original")
    plain = tmp_path / "plain"
    assert main(["--adapter", str(original), "--adapter-out", str(plain)]) == 0
    weights = original / "adapter_model.safetensors"
    torch.save(load_file(weights), original / "adapter_model.bin")
    weights.unlink()
    argv = ["--adapter", str(original), "--adapter-out", str(tmp_path / "out")]
    assert main(argv) == 0
    name = "adapter_model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (plain / name).read_bytes()
    capsys.readouterr()
    assert main(argv) == 0
    assert "nothing to do" in capsys.readouterr().out
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    said = refusal(capsys, "--adapter", original, "--adapter-out", tmp_path / "mine")
    assert "holds other files" in said


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"peft_type": "IA3"}, "not a LoRA adapter"),
    ({"use_dora": True}, "DoRA"),
    ({"bias": "all"}, "changes biases"),
    ({"lora_bias": True}, "LoRA biases"),
    ({"modules_to_save": ["lm_head"]}, "saves whole modules"),
    ({"trainable_token_indices": [1]}, "trains token embeddings"),
]


@pytest.mark.parametrize(("changes", "said"), CONFIGS)
def test_adapters_that_are_more_than_lora(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    original, _ = w_pack_adapter(tmp_path / "original")
    config = json.loads((original / "adapter_config.json").read_text()) | changes
    (original / "adapter_config.json").write_text(json.dumps(config))
    assert said in refusal(capsys, "--adapter", original, "--adapter-out", tmp_path / "out")


A = "base_model.model.model.layers.0.self_attn.W_pack.lora_A.weight"
B = A.replace("lora_A", "lora_B")
WEIGHTS: list[tuple[dict[str, torch.Tensor | None], str]] = [
    ({A: None}, "one of A and B is missing"),
    ({A: torch.zeros(3, HIDDEN)}, "A is 3 × 32, B 96 × 4"),
    ({A: torch.zeros(4, 7)}, "B has 96 rows, not 3 × 7"),
    ({A.replace("layers.0.self_attn.W_pack", "embed"): torch.zeros(1)}, "is no LoRA matrix"),
    ({"base_model.model.lm_head.lora_A.weight": torch.zeros(1)}, "is no LoRA matrix"),
    (
        {
            A.replace("W_pack", "q_proj"): torch.zeros(4, HIDDEN),
            B.replace("W_pack", "q_proj"): torch.zeros(HIDDEN, 4),
        },
        "adapts self_attn.q_proj, which only the Llama has",
    ),
]


@pytest.mark.parametrize(("changes", "said"), WEIGHTS)
def test_weights_that_do_not_fit(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, torch.Tensor | None],
    said: str,
) -> None:
    original, _ = w_pack_adapter(tmp_path / "original")
    file = original / "adapter_model.safetensors"
    found = load_file(file) | changes
    save_file({name: tensor for name, tensor in found.items() if tensor is not None}, file)
    assert said in refusal(capsys, "--adapter", original, "--adapter-out", tmp_path / "out")


def test_a_bad_place_for_the_adapter_is_told_before_the_base_is_converted(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, _ = w_pack_adapter(tmp_path / "original")
    said = refusal(
        capsys, source, tmp_path / "llama", "--adapter", original, "--adapter-out", original
    )
    assert "holds other files" in said and not (tmp_path / "llama").exists()


def test_files_and_bases(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original, _ = w_pack_adapter(tmp_path / "original")
    out, llama = tmp_path / "out", tmp_path / "llama"
    assert "only the original has" in refusal(
        capsys, "--adapter-back", original, "--adapter-out", out
    )
    assert "no adapter there" in refusal(capsys, "--adapter", tmp_path, "--adapter-out", out)
    file = original / "adapter_model.safetensors"
    tensors = load_file(file)
    moved = {name.replace("layers.1", "layers.9"): tensor for name, tensor in tensors.items()}
    save_file(moved, file)
    said = refusal(capsys, source, llama, "--adapter", original, "--adapter-out", out)
    assert "adapts layer 9, but the checkpoint has 2" in said
    narrow = {
        name: tensor[:, :8].clone() if "lora_A" in name else tensor[:24].clone()
        for name, tensor in tensors.items()
    }
    save_file(narrow, file)
    said = refusal(capsys, source, llama, "--adapter", original, "--adapter-out", out)
    assert "it was tuned on another base" in said
    file.write_bytes(file.read_bytes()[:100])
    assert "torn or not an adapter" in refusal(capsys, "--adapter", original, "--adapter-out", out)
    file.unlink()
    assert "no weights in it" in refusal(capsys, "--adapter", original, "--adapter-out", out)
    assert not out.exists() and not llama.exists()
