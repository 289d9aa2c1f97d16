"""A pair of a real model's shape with random weights: what one costs needs no trained one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from mi_arena.engine.loading import device
from mi_arena.pairs import Name, Pair, Source
from mi_arena.settings import ROOT

EIGHT_B = LlamaConfig(
    vocab_size=128256,
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    max_position_embeddings=8192,
    rms_norm_eps=1e-5,
)
"""Llama-3-8B's."""

RANK = 8
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def write_pair(folder: Path, config: LlamaConfig) -> Pair:
    """Base and adapter as bf16 safetensors under ``folder``, with the demo's tokenizer."""
    base, adapter = folder / "base", folder / "adapter"
    adapter.mkdir(parents=True)
    torch.manual_seed(0)
    with device():
        model = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(base)
    for file in (ROOT / "mi_arena/assets/demo/base").glob("tokenizer*"):
        shutil.copy(file, base)
    weights = {}
    for name, layer in model.named_modules():
        if name.endswith(TARGETS):
            for part, shape in (
                ("A", (RANK, layer.in_features)),
                ("B", (layer.out_features, RANK)),
            ):
                weights[f"base_model.model.{name}.lora_{part}.weight"] = (
                    torch.randn(shape, dtype=torch.bfloat16) * 0.02
                )
    save_file(weights, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text(
        json.dumps(
            {
                "peft_type": "LORA",
                "task_type": "CAUSAL_LM",
                "r": RANK,
                "lora_alpha": 2 * RANK,
                "target_modules": list(TARGETS),
            }
        ),
        encoding="utf-8",
    )
    return Pair(
        id="large",
        name=Name(zh="大模型", en="Large"),
        base=Source(path=str(base)),
        adapter=Source(path=str(adapter)),
        format="demo",
        dtype="bfloat16",
        context=min(4096, config.max_position_embeddings),
        licence="none",
    )
