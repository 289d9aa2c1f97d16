"""The benchmarks of training: what is counted, and that those for a GPU would run."""

from __future__ import annotations

import re

import pytest
import torch
from datasets import disable_progress_bars
from transformers import LlamaConfig

from benchmarks import preparation
from benchmarks.large_pair import EIGHT_B
from benchmarks.model_flops import DENSE_BF16, model_flops, multiplied_weights
from benchmarks.training import DEMO_BASE, Trained, flops_line, large_training_lines
from training.models import load_chat

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = LlamaConfig(
    vocab_size=8192,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=2048,
)


def test_the_flops_are_those_of_the_products() -> None:
    """Counted by hand: every matrix product of a token, forward and to the activations."""
    attention = 2 * (32 * 32 + 2 * 32 * 16 + 32 * 32)
    mlp = 2 * 3 * 32 * 64
    norms = 32 * (2 * 2 + 1)
    assert multiplied_weights(SMALL) == attention + mlp + 32 * 8192 + norms
    seen = 2 * 2 * 2 * 32 * sum(range(1, 101))  # scores and their use, layers, width
    one = model_flops(SMALL, [100])
    assert one == pytest.approx(4 * 100 * multiplied_weights(SMALL) + 3 * seen, rel=1e-3)
    assert model_flops(SMALL, [100, 100]) == 2 * one
    tied = LlamaConfig(**SMALL.to_dict() | {"tie_word_embeddings": True})
    assert multiplied_weights(tied) == multiplied_weights(SMALL)


def test_an_8b_model_costs_four_flops_a_weight() -> None:
    assert multiplied_weights(EIGHT_B) == pytest.approx(7.505e9, rel=1e-3)
    assert model_flops(EIGHT_B, [2048]) / 2048 == pytest.approx(3.16e10, rel=1e-2)


def test_a_share_needs_a_card_whose_peak_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(Trained(2.0, 100, 110, 0), Trained(4.0, 100, 130, 0))]
    line = flops_line("8B", 989.5e12, found)
    assert (line.ours, line.theirs) == ("495 TFLOP/s", "247 TFLOP/s")
    assert "no share: this machine's peak is not known" in line.what
    assert (line.ratio, line.goal) == (2.0, "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    line = flops_line("8B", 989.5e12, found)
    assert (line.ours, line.theirs) == ("50% of 989.5 TFLOP/s", "25% of 989.5 TFLOP/s")
    assert (line.what, line.goal) == ("model FLOP use, 8B", "ours ≥ 40 %")
    assert all(peak > 50 for peak in DENSE_BF16.values())


def test_the_rows_for_a_gpu_come_out_of_a_small_shape() -> None:
    speed, memory, flops = large_training_lines(1, SMALL, 16)
    assert speed.what.startswith("training, 8B, LoRA rank 16, ") and speed.goal == "≥ 0.97"
    assert speed.spread == (speed.ratio, speed.ratio)
    padding = [re.search(r"(\d+)% padding", text) for text in (speed.what, speed.baseline)]
    assert 0 < int(padding[0][1]) < int(padding[1][1]) < 50
    assert memory.ratio > 0
    assert flops.ratio == pytest.approx(speed.ratio)  # of the same tokens


def test_the_chat_template_says_what_the_format_says() -> None:
    disable_progress_bars()
    chat = load_chat(str(DEMO_BASE), "demo")
    ours, theirs = preparation.ours(chat), preparation.templated(chat.tokenizer)
    assert ours["input_ids"][:] == theirs["input_ids"][:]
    assert ours["labels"][:] == theirs["labels"][:]
