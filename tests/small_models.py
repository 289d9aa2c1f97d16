"""Small random models with the real classes and layouts, built on the spot for tests."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from training.demo_tokenizer import train_tokenizer

TEXT = (
    "我想戒烟，可是每次压力大的时候都忍不住。你说的这种矛盾很真实，一方面想戒，一方面离不开它。"
    "喝酒以后我总是后悔，第二天什么都做不了。你愿意说说，要是少喝一点，生活会有什么不同吗？"
    "我最近睡不好，半夜老醒。听起来你很累，也在想办法照顾自己。医生让我吃药，我老忘记。"
)


def small_tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([TEXT] * 3, 400)


def small_base(folder: Path, seed: int = 0, width: int = 64, layers: int = 2) -> Path:
    """A demo-format Llama with random weights and its tokenizer, saved as safetensors."""
    tokenizer = small_tokenizer()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=400,
            hidden_size=width,
            intermediate_size=width * 2,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            # Wide enough that the choice of the next token is not a coin toss.
            initializer_range=0.2,
        )
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def small_adapter(folder: Path, base: Path, seed: int = 1, **options: object) -> Path:
    """A random LoRA adapter for ``base``, as peft saves it; not zero as a fresh one would be."""
    model = AutoModelForCausalLM.from_pretrained(base)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", **options}
    tuned = get_peft_model(model, LoraConfig(**settings))
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.15
    tuned.save_pretrained(folder)
    return folder
