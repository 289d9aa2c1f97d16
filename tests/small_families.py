"""Small configs of the classes in which the three families run."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GlmConfig, LlamaConfig, PreTrainedConfig

from tests.chat_formats.toy_tokenizers import toy

FAMILIES = ("llama3", "baichuan2", "glm4")
COMMON = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.2,
}


def config_of(family: str, vocabulary: int, **changes: object) -> PreTrainedConfig:
    """The native classes: GLM-4 is ``Glm``, the others (Baichuan2 once converted) are Llama."""
    if family == "glm4":
        special = {"head_dim": 8, "pad_token_id": 0, "eos_token_id": 0}
        return GlmConfig(**COMMON | special | changes, vocab_size=vocabulary)
    return LlamaConfig(**COMMON | changes, vocab_size=vocabulary, rms_norm_eps=1e-6)


def family_base(folder: Path, family: str) -> Path:
    """A base of a family with random weights and a toy of its tokenizer."""
    tokenizer = toy(family)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config_of(family, len(tokenizer))).save_pretrained(folder)
    return folder
