"""The memory estimate: what must be exact is held against models that are really built."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, GlmConfig, LlamaConfig, PreTrainedConfig

from benchmarks.large_pair import EIGHT_B
from mi_arena.jobs.finetune_config import FinetuneConfig
from tests.small_families import FAMILIES, config_of, family_base
from tests.small_models import small_base
from training import memory, models
from training.memory import Batch, estimate, kept_by_layer, nf4_bytes, weights_bytes
from training.starting import with_adapter
from training.trainer import leave_dtypes_to_autocast

pytestmark = pytest.mark.usefixtures("one_thread")

SOME = FinetuneConfig(base="b", data="d", output="o", rank=4)
BATCH = Batch(rows=4, longest=100, targets=150)


def changed(**changes: object) -> FinetuneConfig:
    return FinetuneConfig.model_validate(SOME.model_dump() | changes)


def weightless(family: str = "llama3", **shape: object) -> peft.PeftModel:
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config_of(family, 300, **shape))
    return with_adapter(base, SOME)


# ---- what is held throughout


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_and_adapter_are_those_of_the_loaded_model(
    family: str, dtype: str, tmp_path: Path
) -> None:
    folder = str(family_base(tmp_path / "base", family))
    config = changed(dtype=dtype)
    shape = models.load_shape(folder)
    weights = weights_bytes(shape, config)
    real = models.load_base(folder, getattr(torch, dtype))
    assert weights == sum(p.nbytes for p in real.parameters())

    tuned = with_adapter(real, config)
    adapter = [p for p in tuned.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(adapter)
    for parameter in adapter:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moments = [t for s in optimizer.state.values() for n, t in s.items() if n != "step"]
    found = estimate(with_adapter(shape, config), weights, config, BATCH, gpu=False)
    assert found.weights == weights
    assert found.adapter == sum(p.nbytes for p in adapter) == found.gradients
    assert found.optimizer == sum(t.nbytes for t in moments)


def test_tied_weights_are_in_memory_once(tmp_path: Path) -> None:
    folder = str(small_base(tmp_path / "base"))
    shape = models.load_shape(folder)
    assert shape.config.tie_word_embeddings
    real = models.load_base(folder)
    assert weights_bytes(shape, SOME) == sum(p.nbytes for p in real.parameters())


def test_four_bits_as_bitsandbytes_lays_them_out() -> None:
    """A 4096 x 4096 matrix: weights, a scale for 64, a scale for 256 of these, and tables."""
    matrix = 4096 * 4096
    tables = 4 * (256 + 16 + 1)
    assert nf4_bytes(matrix) == 8_388_608 + 262_144 + 4096 + tables
    assert (nf4_bytes(matrix) - tables) * 8 / matrix == pytest.approx(4.127, abs=1e-3)
    assert nf4_bytes(65) == 33 + 2 + 4 + tables  # blocks that are not full take a scale as well


@pytest.mark.parametrize("family", FAMILIES)
def test_in_four_bits_embeddings_head_and_norms_stay_as_they_are(family: str) -> None:
    config = changed(dtype="bfloat16", quantization="4bit")
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config_of(family, 300))
    names = dict(base.named_parameters())
    small = {name for name in names if name.endswith("_proj.weight")}
    assert len(small) == 2 * (6 if family == "glm4" else 7)
    wide = sum(p.numel() for name, p in names.items() if name not in small)
    expected = 2 * wide + sum(nf4_bytes(names[name].numel()) for name in small)
    assert weights_bytes(base, config) == expected
    found = estimate(with_adapter(base, config), expected, config, BATCH, gpu=True)
    trainable = sum(p.numel() for p in base.parameters() if p.requires_grad)
    assert found.adapter == 2 * trainable  # bfloat16


# ---- what was measured on a GPU

SEVEN_B = LlamaConfig(
    vocab_size=125696, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32,
    num_attention_heads=32, num_key_value_heads=32,
)  # fmt: skip
NINE_B = GlmConfig(
    vocab_size=151552, hidden_size=4096, intermediate_size=13696, num_hidden_layers=40,
    num_attention_heads=32, num_key_value_heads=2, head_dim=128, attention_bias=True,
    pad_token_id=0,
)  # fmt: skip
KEPT: dict[str, object] = {"gradient_checkpointing": False}
MADE_AGAIN: dict[str, object] = {"gradient_checkpointing": True}
FOUR_BIT: dict[str, object] = {"quantization": "4bit"}
FUSED: dict[str, object] = {"fused": True}
NO_DROPOUT: dict[str, object] = {"dropout": 0.0}


@pytest.mark.parametrize(
    ("shape", "rows", "longest", "targets", "how", "peak"),
    [
        (EIGHT_B, 4, 2048, 3688, MADE_AGAIN, 21.453),
        (EIGHT_B, 2, 2048, 1844, KEPT, 50.603),
        (EIGHT_B, 2, 1024, 922, KEPT | NO_DROPOUT, 28.986),
        (EIGHT_B, 1, 512, 231, MADE_AGAIN, 16.968),
        (EIGHT_B, 8, 1024, 3688, KEPT | NO_DROPOUT | FUSED, 53.787),
        (EIGHT_B, 1, 2048, 922, MADE_AGAIN | FOUR_BIT, 7.268),
        (EIGHT_B, 4, 1024, 1844, MADE_AGAIN | FOUR_BIT, 8.434),
        (EIGHT_B, 1, 1024, 461, KEPT | FOUR_BIT, 14.570),
        (SEVEN_B, 4, 2048, 3688, MADE_AGAIN, 20.182),
        (NINE_B, 4, 2048, 3688, MADE_AGAIN, 24.704),
        (NINE_B, 1, 2048, 922, KEPT, 39.089),
        (NINE_B, 1, 2048, 922, MADE_AGAIN | FOUR_BIT, 8.383),
    ],
)
def test_peaks_measured_on_an_h200(
    shape: PreTrainedConfig,
    rows: int,
    longest: int,
    targets: int,
    how: dict[str, object],
    peak: float,
) -> None:
    """GB of tensors (torch 2.11, CUDA 13) in a step of LoRA, rank 16, in bfloat16."""
    settings = {k: v for k, v in how.items() if k != "fused"}
    config = changed(**{"rank": 16, "dtype": "bfloat16", "dropout": 0.05} | settings)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16)
    weights = weights_bytes(base, config)
    found = estimate(
        with_adapter(base, config),
        weights,
        config,
        Batch(rows, longest, targets),
        gpu=True,
        fused="fused" in how,
    )
    reckoned = (found.needed - found.overhead) / 1e9
    assert peak <= reckoned <= 1.07 * peak


# ---- what a pass adds


def kept_in_a_pass(model: peft.PeftModel, dtype: str, rows: int, longest: int) -> int:
    """Bytes of the tensors that autograd really keeps of the layers, each storage once."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.randint(0, 300, (rows, longest))
    reduced = torch.autocast("cpu", torch.bfloat16) if dtype == "bfloat16" else nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), reduced:
        model.get_base_model().base_model(input_ids=ids, use_cache=False)
    return sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_autograd_keeps_of_a_layer(family: str, dtype: str, dropout: float) -> None:
    """The difference that one more layer makes in a real pass, within 8 %."""
    config = changed(dtype=dtype, dropout=dropout)
    rows, longest = 4, 256

    def tuned(layers: int) -> peft.PeftModel:
        base = AutoModelForCausalLM.from_config(
            config_of(family, 300, num_hidden_layers=layers), dtype=getattr(torch, dtype)
        )
        model = with_adapter(base, config).train()
        if dtype == "bfloat16":
            leave_dtypes_to_autocast(model)  # as the trainer does
        return model

    real = kept_in_a_pass(tuned(3), dtype, rows, longest)
    real -= kept_in_a_pass(tuned(2), dtype, rows, longest)
    reckoned = rows * longest * sum(kept_by_layer(tuned(2), config, gpu=False))
    assert reckoned == pytest.approx(real, rel=0.08)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 64),
    longest=st.integers(16, 1024),
    share=st.floats(0, 1),
    gpu=st.booleans(),
    checkpointing=st.booleans(),
    dtype=st.sampled_from(["float32", "bfloat16"]),
    dropout=st.sampled_from([0.0, 0.05]),
)
def test_more_of_anything_needs_no_less(
    rows: int,
    longest: int,
    share: float,
    gpu: bool,
    checkpointing: bool,
    dtype: str,
    dropout: float,
) -> None:
    model = DEEP
    config = changed(gradient_checkpointing=checkpointing, dtype=dtype, dropout=dropout)
    batch = Batch(rows, longest, int(share * rows * longest))

    def needed(batch: Batch, config: FinetuneConfig = config) -> int:
        return estimate(model, 1000, config, batch, gpu=gpu).needed

    here = needed(batch)
    assert needed(replace(batch, rows=rows + 1)) >= here
    assert needed(replace(batch, longest=longest + 1)) >= here
    assert needed(replace(batch, targets=batch.targets + 1)) >= here
    saving = config.model_copy(update={"gradient_checkpointing": True})
    assert needed(batch, saving) <= here
    found = estimate(model, 1000, config, batch, gpu=gpu)
    assert min(vars(found).values()) >= 0


DEEP = weightless(num_hidden_layers=6)


def test_checkpointing_keeps_the_inputs_of_the_layers_and_makes_one_of_them_again() -> None:
    """Without targets, so that nothing but the layers counts."""
    batch = replace(BATCH, targets=0)
    plain = estimate(DEEP, 0, SOME, batch, gpu=True)
    config = changed(gradient_checkpointing=True)
    saving = estimate(DEEP, 0, config, batch, gpu=True)
    layer = batch.positions * sum(kept_by_layer(DEEP, SOME, gpu=True))
    inputs = 6 * batch.positions * 32 * 4
    assert plain.activations - saving.activations == 5 * layer - inputs


def test_the_output_layer_counts_where_it_is_the_peak() -> None:
    few, many = (replace(BATCH, targets=n) for n in (0, 400))
    wide = weightless(num_hidden_layers=2)
    wide.config.vocab_size = 100_000
    small, large = (estimate(wide, 0, SOME, batch, gpu=False) for batch in (few, many))
    assert small.logits == 0
    assert large.logits == 3 * 4 * 400 * 100_000
    assert small.activations > large.activations
    tiled = estimate(wide, 0, SOME, many, gpu=True)
    assert tiled.logits == 400 * 32768 * 4 + 400 * 32 * 12


def test_several_devices_hold_their_gradients_twice() -> None:
    one, two = (estimate(DEEP, 0, SOME, BATCH, gpu=True, devices=n) for n in (1, 2))
    assert two.needed - one.needed == one.gradients
    assert one.overhead == memory.CUDA_CONTEXT
