"""The original's config.json: is it a Baichuan2-7B, and what is it as a Llama?

Source: ``configuration_baichuan.py`` and ``modeling_baichuan.py`` of Baichuan2-7B-Chat. Rotary base
10000 stands in that code, not in the config.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_arena.jobs.script import BadInput

VOCABULARY = 125696
"""Of every Baichuan 2. Baichuan 1 has 64000, and no normalised output head."""
ROPE_THETA = 10000.0
POSITIONS = 4096
DTYPES = ("bfloat16", "float16", "float32")
DOWNLOAD = "hf download baichuan-inc/Baichuan2-7B-Chat --local-dir DIR"


@dataclass(frozen=True)
class Shape:
    """The sizes that the tensors must have."""

    hidden: int
    intermediate: int
    layers: int
    heads: int

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The original's tensors by name, in the order of the layers."""
        wide, inner = self.hidden, self.intermediate
        found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, wide)}
        for layer in range(self.layers):
            found |= {
                f"model.layers.{layer}.{name}.weight": shape
                for name, shape in (
                    ("input_layernorm", (wide,)),
                    ("self_attn.W_pack", (3 * wide, wide)),
                    ("self_attn.o_proj", (wide, wide)),
                    ("post_attention_layernorm", (wide,)),
                    ("mlp.gate_proj", (inner, wide)),
                    ("mlp.up_proj", (inner, wide)),
                    ("mlp.down_proj", (wide, inner)),
                )
            }
        return found | {"model.norm.weight": (wide,), "lm_head.weight": (VOCABULARY, wide)}


@dataclass(frozen=True)
class Config:
    shape: Shape
    dtype: str
    raw: dict[str, Any]

    def as_llama(self, dtype: str) -> dict[str, Any]:
        """What ``LlamaConfig`` takes; every value is said, none is left to a default of today."""
        raw = self.raw
        return {
            "architectures": ["LlamaForCausalLM"],
            "vocab_size": VOCABULARY,
            "hidden_size": self.shape.hidden,
            "intermediate_size": self.shape.intermediate,
            "num_hidden_layers": self.shape.layers,
            "num_attention_heads": self.shape.heads,
            "num_key_value_heads": self.shape.heads,
            "head_dim": self.shape.hidden // self.shape.heads,
            "hidden_act": "silu",
            "max_position_embeddings": POSITIONS,
            "initializer_range": float(raw.get("initializer_range", 0.02)),
            "rms_norm_eps": float(raw.get("rms_norm_eps", 1e-6)),
            "use_cache": True,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pretraining_tp": 1,
            "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA},
            "attention_bias": False,
            "attention_dropout": 0.0,
            "mlp_bias": False,
            "dtype": dtype,
        }


def read_config(folder: Path) -> Config:
    """Raises ``BadInput`` for what is not a Baichuan2-7B, with the reason."""
    file = folder / "config.json"
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; download the checkpoint first: {DOWNLOAD}")
    if not file.is_file():
        raise BadInput(
            f"{folder}: no config.json in it; name the folder that this makes: {DOWNLOAD}"
        )
    raw = read_object(file)
    refuse(raw, file)
    sizes = {}
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"):
        value = raw.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise BadInput(f"{file}: {name} is {json.dumps(value)}, not a whole number above 0")
        sizes[name] = value
    shape = Shape(*sizes.values())
    if shape.hidden % (2 * shape.heads):
        raise BadInput(
            f"{file}: hidden_size {shape.hidden} makes no {shape.heads} heads of an even width"
        )
    for name in ("rms_norm_eps", "initializer_range"):
        value = raw.get(name, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(f"{file}: {name} is {json.dumps(value)}, not a number")
    dtype = str(raw.get("torch_dtype") or raw.get("dtype") or "bfloat16")
    return Config(shape, dtype if dtype in DTYPES else "bfloat16", raw)


def refuse(raw: dict[str, Any], file: Path) -> None:
    kind = raw.get("model_type")
    if kind == "llama":
        raise BadInput(f"{file}: this is a Llama already; there is nothing to convert")
    if kind != "baichuan":
        raise BadInput(f"{file}: model_type is {json.dumps(kind)}, so this is no Baichuan2")
    vocabulary = raw.get("vocab_size")
    if vocabulary == 64000:
        raise BadInput(
            f"{file}: vocab_size 64000 is Baichuan 1, whose output head and chat format differ; "
            "only Baichuan2-7B is converted"
        )
    if vocabulary != VOCABULARY:
        raise BadInput(
            f"{file}: vocab_size is {json.dumps(vocabulary)}; a Baichuan2 has {VOCABULARY}"
        )
    alibi = str(raw.get("position_embedding", "")).upper() == "ALIBI"
    if alibi or raw.get("hidden_size") == 5120 or "max_position_embeddings" not in raw:
        raise BadInput(
            f"{file}: this is a Baichuan2-13B, which tells positions by ALiBi; a Llama has rotary "
            "ones only, so only Baichuan2-7B can be converted"
        )
    if raw["max_position_embeddings"] != POSITIONS:
        raise BadInput(
            f"{file}: max_position_embeddings is {json.dumps(raw['max_position_embeddings'])}; "
            f"Baichuan2-7B has {POSITIONS}"
        )
    if raw.get("quantization_config"):
        raise BadInput(f"{file}: the weights are quantised; take the full checkpoint: {DOWNLOAD}")
    if raw.get("hidden_act", "silu") != "silu":
        raise BadInput(f"{file}: hidden_act is {raw['hidden_act']!r}; Baichuan2-7B has silu")
    if raw.get("tie_word_embeddings"):
        raise BadInput(f"{file}: tie_word_embeddings is on; Baichuan2-7B has a head of its own")


def read_object(file: Path) -> dict[str, Any]:
    """A file that holds one JSON object. Raises ``BadInput`` with its name."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{file}: no such file") from None
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from None
    except ValueError:
        raise BadInput(f"{file}: not JSON; was it downloaded whole?") from None
    if not isinstance(content, dict):
        raise BadInput(f"{file}: not a JSON object")
    return content
