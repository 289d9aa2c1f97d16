"""Weights of a pair into memory: the base once, its adapter as row-masked LoRA.

Stock transformers classes only, never remote code. Local folders are read without asking the Hub.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from mi_arena.chat_formats import ChatFormat, FormatError, load_format
from mi_arena.engine.few_rows import LinearForFewRows, worth_it
from mi_arena.engine.hub_faults import hub_fault
from mi_arena.engine.masked_lora import RowMask, attach_adapter
from mi_arena.engine.protocol import EngineError
from mi_arena.pairs import Pair, Source

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
QUANTIZED_BYTES = {"8bit": 1.0, "4bit": 0.55}
"""Bytes a weight; 4-bit NF4 keeps scales beside the weights."""


@dataclass(frozen=True)
class LoadedPair:
    """What serves a pair."""

    model: PreTrainedModel
    mask: RowMask
    chat: ChatFormat
    context: int
    bytes: int
    """Weights and adapter as they lie in memory."""


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_pair(pair: Pair, base_alone: bool = False) -> LoadedPair:
    """Read a pair's weights. Raises ``EngineError`` with one line when it can't be done.

    ``base_alone`` leaves the adapter out, for whoever needs no tuned row.
    """
    try:
        base = _folder(pair.base)
        adapter = None if base_alone else _folder(pair.adapter)
        tokenizer = AutoTokenizer.from_pretrained(
            base, local_files_only=True, trust_remote_code=False
        )
        chat = load_format(pair.format, tokenizer)
        model = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=getattr(torch, pair.dtype),
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            **quantization(pair),
        )
        if pair.quantization == "none":
            model = model.to(device())
        model.eval().requires_grad_(False)
        mask = RowMask() if adapter is None else attach_adapter(model, Path(adapter))
        if worth_it(output := model.get_output_embeddings()):
            model.set_output_embeddings(LinearForFewRows(output))
    except (FormatError, EngineError) as error:
        raise EngineError(f"pair {pair.id}: {error}") from None
    except (OSError, ValueError, ImportError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EngineError(f"pair {pair.id}: the weights could not be loaded: {first}") from None
    limit = getattr(model.config, "max_position_embeddings", pair.context)
    return LoadedPair(model, mask, chat, min(pair.context, limit), tensor_bytes(model))


def quantization(pair: Pair) -> dict[str, Any]:
    """The arguments with which ``from_pretrained`` loads the pair's base quantised."""
    if pair.quantization == "none":
        return {}
    from transformers import BitsAndBytesConfig

    config = (
        BitsAndBytesConfig(load_in_8bit=True)
        if pair.quantization == "8bit"
        else BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,  # as in training: the base that was tuned on
            bnb_4bit_compute_dtype=getattr(torch, pair.dtype),
        )
    )
    return {"quantization_config": config, "device_map": {"": device()}}


def tensor_bytes(model: torch.nn.Module) -> int:
    """Bytes of all parameters and buffers, each storage once (tied weights are one)."""
    seen: dict[int, int] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def bytes_needed(pair: Pair, battles: int) -> int:
    """What a pair takes once loaded: weights, adapter, and caches of ``battles`` at full length.

    Read from the safetensors headers and the config; no weight is loaded. Raises ``EngineError``
    with one line for files that are damaged or can't be had.
    """
    try:
        return _bytes_needed(pair, battles)
    except (OSError, ValueError, KeyError, struct.error) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(f"its files can't be read: {first}") from None


def _bytes_needed(pair: Pair, battles: int) -> int:
    base, adapter = Path(_folder(pair.base)), Path(_folder(pair.adapter))
    width = QUANTIZED_BYTES.get(pair.quantization, BYTES[pair.dtype])
    weights = _parameters(base) * width + _parameters(adapter) * BYTES[pair.dtype]
    config = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_token = 2 * config.num_hidden_layers * heads * head * BYTES[pair.dtype]
    return int(weights + per_token * pair.context * 2 * battles)


def _parameters(folder: Path) -> int:
    count = 0
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as data:
            (length,) = struct.unpack("<Q", data.read(8))
            header = json.loads(data.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                size = 1
                for side in entry["shape"]:
                    size *= side
                count += size
    return count


def _folder(source: Source | None) -> str:
    """A local folder with the files of ``source``; downloads (or finds in the cache) a repo."""
    if source is None:
        raise EngineError("it has no adapter")
    if source.path is not None:
        return source.path
    assert source.repo is not None
    try:
        return snapshot_download(
            source.repo,
            revision=source.revision,
            allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"],
        )
    except (OSError, ValueError) as error:
        fault = hub_fault(source.repo, source.revision, error)
        if fault is None:
            raise
        raise EngineError(f"{source.repo}: {fault}") from None
