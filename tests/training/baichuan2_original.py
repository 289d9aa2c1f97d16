"""Small Baichuan2 checkpoints as the original lays them out, and the original's arithmetic.

The arithmetic follows ``modeling_baichuan.py`` of Baichuan2-7B-Chat, written out plainly: one
sequence, no cache, float32.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import save_file

from tests.small_models import TEXT
from training.convert_baichuan2.config import VOCABULARY

ENGLISH = (
    "I want to quit smoking but I can't help it when the pressure is high. You say both sides of "
    "it: you want to stop and it comforts you. What would be different, if you drank less?\n"
)
HIDDEN, HEADS, LAYERS, INNER = 32, 4, 2, 48
CONFIG: dict[str, Any] = {
    "architectures": ["BaichuanForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_baichuan.BaichuanConfig",
        "AutoModelForCausalLM": "modeling_baichuan.BaichuanForCausalLM",
    },
    "tokenizer_class": "BaichuanTokenizer",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "hidden_act": "silu",
    "hidden_size": HIDDEN,
    "initializer_range": 0.02,
    "intermediate_size": INNER,
    "max_position_embeddings": 4096,
    "model_max_length": 4096,
    "model_type": "baichuan",
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "rms_norm_eps": 1e-06,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "transformers_version": "4.29.2",
    "use_cache": True,
    "vocab_size": VOCABULARY,
}
GENERATION: dict[str, Any] = {
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "user_token_id": 195,
    "assistant_token_id": 196,
    "max_new_tokens": 2048,
    "temperature": 0.3,
    "top_k": 5,
    "top_p": 0.85,
    "repetition_penalty": 1.05,
    "do_sample": True,
    "transformers_version": "4.29.2",
}
CODE = 'raise SystemExit("the code of the checkpoint ran")\n'

Tensors = dict[str, torch.Tensor]


def sentencepiece_bytes(markers: str = "user_defined", **changes: Any) -> bytes:
    """A BPE model with byte fallback and the role markers at 195 and 196.

    ``markers`` is their kind: ``user_defined``, ``control`` or ``normal`` (a piece that nothing
    leads to).
    """
    fillers = [f"<reserved_{number}>" for number in range(1000, 1192)]
    symbols = [*fillers, "<reserved_106>", "<reserved_107>"]
    kind = "control_symbols" if markers == "control" else "user_defined_symbols"
    out = io.BytesIO()
    settings: dict[str, Any] = {
        "model_type": "bpe",
        "vocab_size": 700,
        "byte_fallback": True,
        "character_coverage": 0.98,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "split_digits": True,
        "hard_vocab_limit": False,
        kind: symbols,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([TEXT, ENGLISH] * 4),
        model_writer=out,
        minloglevel=2,
        **(settings | changes),
    )
    made = out.getvalue()
    if markers == "normal":
        made = with_kind(made, "<reserved_106>", 4, 1)
        made = with_kind(made, "<reserved_107>", 4, 1)
    return made


def with_kind(model: bytes, piece: str, kind: int, other: int) -> bytes:
    """The model with one piece's kind changed, in its bytes: text, score, kind."""
    at = model.index(bytes([0x0A, len(piece.encode())]) + piece.encode())
    place = at + 2 + len(piece.encode()) + 5
    assert model[place : place + 2] == bytes([0x18, kind])
    return model[: place + 1] + bytes([other]) + model[place + 2 :]


def random_tensors(seed: int = 0, layers: int = LAYERS) -> Tensors:
    """Weights under the original's names; the head's rows are of very different lengths."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 0.3) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    tensors = {"model.embed_tokens.weight": normal(VOCABULARY, HIDDEN, scale=1.0)}
    for layer in range(layers):
        own = f"model.layers.{layer}."
        tensors[own + "self_attn.W_pack.weight"] = normal(3 * HIDDEN, HIDDEN)
        tensors[own + "self_attn.o_proj.weight"] = normal(HIDDEN, HIDDEN)
        tensors[own + "mlp.gate_proj.weight"] = normal(INNER, HIDDEN)
        tensors[own + "mlp.down_proj.weight"] = normal(HIDDEN, INNER)
        tensors[own + "mlp.up_proj.weight"] = normal(INNER, HIDDEN)
        tensors[own + "input_layernorm.weight"] = 1 + normal(HIDDEN)
        tensors[own + "post_attention_layernorm.weight"] = 1 + normal(HIDDEN)
    tensors["model.norm.weight"] = 1 + normal(HIDDEN)
    lengths = torch.rand(VOCABULARY, 1, generator=generator) * 5 + 0.1
    tensors["lm_head.weight"] = normal(VOCABULARY, HIDDEN) * lengths
    return tensors


def write_checkpoint(
    folder: Path,
    tensors: Tensors,
    tokenizer: bytes,
    layout: str = "bin",
    config: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """``layout``: ``bin``, ``sharded`` (with an index), ``safetensors``, ``old bin``."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps((config or CONFIG) | changes))
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))
    (folder / "tokenizer.model").write_bytes(tokenizer)
    for name in ("modeling_baichuan.py", "configuration_baichuan.py", "tokenization_baichuan.py"):
        (folder / name).write_text(CODE)
    if layout == "safetensors":
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    elif layout == "sharded":
        names = list(tensors)
        parts = [names[:5], names[5:11], names[11:]]
        places = {}
        for number, part in enumerate(parts, 1):
            file = f"pytorch_model-{number:05d}-of-{len(parts):05d}.bin"
            torch.save({name: tensors[name] for name in part}, folder / file)
            places |= dict.fromkeys(part, file)
        index = {"metadata": {"total_size": 0}, "weight_map": places}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    else:
        zipped = layout != "old bin"
        path = folder / "pytorch_model.bin"
        torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
    return folder


# ---- the original's arithmetic


def rms_norm(hidden: torch.Tensor, weight: torch.Tensor, epsilon: float = 1e-6) -> torch.Tensor:
    return weight * (hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + epsilon))


def rotated(states: torch.Tensor) -> torch.Tensor:
    """Rotary positions on (heads, length, width): the first half of a head goes with the second."""
    width = states.shape[-1]
    frequencies = 1.0 / (10000 ** (torch.arange(0, width, 2).float() / width))
    angles = torch.outer(torch.arange(states.shape[-2]).float(), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    first, second = states[..., : width // 2], states[..., width // 2 :]
    return states * angles.cos() + torch.cat((-second, first), dim=-1) * angles.sin()


def logits_of(
    tensors: Tensors, ids: Sequence[int], updates: Tensors | None = None, norm_head: bool = True
) -> torch.Tensor:
    """Logits of shape (length, vocabulary). ``updates``: what is added to a weight, by its name."""

    def weight(name: str) -> torch.Tensor:
        found = tensors[name + ".weight"]
        return found + updates[name] if updates and name in updates else found

    hidden = tensors["model.embed_tokens.weight"][list(ids)]
    length = len(ids)
    hides = torch.full((length, length), float("-inf")).triu(1)
    for layer in range(sum(name.endswith("W_pack.weight") for name in tensors)):
        own = f"model.layers.{layer}."
        normed = rms_norm(hidden, weight(own + "input_layernorm"))
        packed = normed @ weight(own + "self_attn.W_pack").T
        query, key, value = (
            part.view(length, HEADS, -1).transpose(0, 1)
            for part in packed.unflatten(-1, (3, HIDDEN)).unbind(-2)
        )
        scores = rotated(query) @ rotated(key).transpose(1, 2) / (HIDDEN // HEADS) ** 0.5
        mixed = (scores + hides).softmax(-1) @ value
        mixed = mixed.transpose(0, 1).reshape(length, HIDDEN)
        hidden = hidden + mixed @ weight(own + "self_attn.o_proj").T
        normed = rms_norm(hidden, weight(own + "post_attention_layernorm"))
        gate = normed @ weight(own + "mlp.gate_proj").T
        inner = gate * gate.sigmoid() * (normed @ weight(own + "mlp.up_proj").T)
        hidden = hidden + inner @ weight(own + "mlp.down_proj").T
    head = weight("lm_head")
    if norm_head:
        head = head / head.pow(2).sum(1, keepdim=True).sqrt()
    return rms_norm(hidden, weight("model.norm")) @ head.T


def greedy(tensors: Tensors, ids: Sequence[int], count: int) -> list[int]:
    grown = list(ids)
    for _ in range(count):
        grown.append(int(logits_of(tensors, grown)[-1].argmax()))
    return grown[len(ids) :]
