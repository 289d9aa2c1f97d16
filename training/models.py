"""Load a base model, its chat format and an adapter, for scripts; no remote code, no surprises.

A folder is always passed to transformers as an absolute path: given a relative one it first asks
the Hub for an adapter, with retries that take half a minute without a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import StrictDataclassError
from peft import PeftModel
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
)
from transformers.utils import is_bitsandbytes_available
from transformers.utils import logging as transformers_logging

from mi_arena.chat_formats import ChatFormat, FormatError, load_format
from mi_arena.engine.hub_faults import hub_fault
from mi_arena.jobs.script import BadInput, first_line
from training.base_place import locate

CANNOT_LOAD = (OSError, ValueError, StrictDataclassError)
"""What transformers raises where files are missing or broken; the last for a config that asks for
what can't be."""


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def commit_of(base: str, revision: str | None = None) -> str | None:
    """Of a base on the Hub, the commit that its config was last fetched at; nothing is asked."""
    source, local = locate(base)
    found = None if local else try_to_load_from_cache(source, "config.json", revision=revision)
    return Path(found).parent.name if isinstance(found, str) else None


def load_chat(base: str, format_name: str, revision: str | None = None) -> ChatFormat:
    """The base's tokenizer under a chat format; ``revision`` is for one on the Hub."""
    source, local = locate(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source,
            local_files_only=local,
            revision=None if local else revision,
            trust_remote_code=False,
        )
        return load_format(format_name, tokenizer)
    except FormatError as error:
        raise BadInput(f"base: {base}: {error}") from None
    except CANNOT_LOAD as error:
        raise _cannot_load(base, revision, error, "its tokenizer cannot be loaded") from None


def load_base(
    base: str,
    dtype: torch.dtype = torch.float32,
    revision: str | None = None,
    four_bit: bool = False,
) -> PreTrainedModel:
    """The base in evaluation mode on the GPU if there is one, safetensors only."""
    source, local = locate(base)
    transformers_logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            local_files_only=local,
            revision=None if local else revision,
            use_safetensors=True,
            trust_remote_code=False,
            **(quantized(dtype) if four_bit else {}),
        )
    except CANNOT_LOAD as error:
        raise _cannot_load(base, revision, error, "cannot be loaded") from None
    return (model if four_bit else model.to(device())).eval()


def load_shape(base: str, revision: str | None = None) -> PreTrainedModel:
    """The base without its weights, in no memory: for what can be asked before these are read."""
    source, local = locate(base)
    if local and not any(Path(source).glob("*.safetensors")):
        raise BadInput(f"base: {base}: no weights in it (*.safetensors)")
    try:
        config = AutoConfig.from_pretrained(
            source,
            local_files_only=local,
            revision=None if local else revision,
            trust_remote_code=False,
        )
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except CANNOT_LOAD as error:
        raise _cannot_load(base, revision, error, "cannot be loaded") from None


def check_device(dtype: str, four_bit: bool) -> None:
    """Raises ``BadInput`` for what the device here can't do."""
    gpu = torch.cuda.is_available()
    if dtype == "float16" and not gpu:
        raise BadInput("dtype: float16 needs a GPU, and none is here; set float32")
    if four_bit and not gpu:
        raise BadInput("quantization: 4bit needs a GPU, and none is here; set quantization: none")
    if four_bit and not is_bitsandbytes_available():
        raise BadInput("quantization: 4bit needs a package: pip install bitsandbytes")


def quantized(dtype: torch.dtype) -> dict[str, Any]:
    """The arguments that load a base in NF4, computing in ``dtype``."""
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config, "device_map": {"": torch.cuda.current_device()}}


def load_adapter(model: PreTrainedModel, folder: str) -> PeftModel:
    """``model`` with a LoRA adapter on it, in evaluation mode."""
    path = Path(folder).resolve()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (path / name).is_file():
            raise BadInput(f"{folder}: no adapter there (no {name} in it)")
    try:
        tuned = PeftModel.from_pretrained(model, str(path), local_files_only=True).eval()
    except (RuntimeError, ValueError) as error:
        raise BadInput(
            f"{folder}: does not fit this base; was it tuned on another? {first_line(error)}"
        ) from None
    # peft leaves layers without weights as they began, and weights without a layer out.
    with safe_open(path / "adapter_model.safetensors", "pt") as file:
        held = {name for name in file.keys() if ".lora_A." in name}  # noqa: SIM118
    names = (name for name, _ in tuned.named_parameters() if ".lora_A." in name)
    layers = {name.replace(".default.", ".") for name in names}
    if held != layers:
        raise BadInput(
            f"{folder}: does not fit this base; was it tuned on another? It holds weights for "
            f"{len(held & layers)} of {len(layers)} layers, and for {len(held - layers)} others"
        )
    return tuned


def context_length(model: PreTrainedModel | PeftModel) -> int:
    """The most tokens the model was made for."""
    return int(model.config.max_position_embeddings)


def _cannot_load(base: str, revision: str | None, error: Exception, what: str) -> BadInput:
    """One line: what the Hub has against it, or else transformers' own words."""
    fault = hub_fault(base, revision, error)
    if fault is None and "trust_remote_code" in str(error):
        fault = (
            "needs code of its own, which is never run; take a checkpoint of stock classes, or "
            "convert it (Baichuan2: python -m training.convert_baichuan2)"
        )
    # A broken config's error has its reason in the last of its lines.
    broken = isinstance(error, StrictDataclassError)
    reason = str(error).splitlines()[-1].strip() if broken else first_line(error)
    return BadInput(f"base: {base}: {fault or f'{what}: {reason}'}")
