"""What a fine-tune reads and refuses before it takes an accelerator or loads a weight.

The real start and the check beforehand both go through here, so that they can't disagree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import peft
import torch
import transformers

from mi_arena.chat_formats import ChatFormat
from mi_arena.engine.residency import GB, device_memory, on_gpu
from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.script import BadInput, first_line
from training import memory, models
from training.finetune_data import Data, prepare
from training.output_folder import check_output


@dataclass(frozen=True)
class Ready:
    """All that is needed but the base's weights."""

    chat: ChatFormat
    data: Data
    model: peft.PeftModel
    """The base with a fresh adapter, both without weights."""
    weights_bytes: int
    """Of the base, as it will lie in memory."""
    commit: str | None
    """Of a base on the Hub; tokenizer and weights are taken at the same one."""


def get_ready(config: FinetuneConfig, devices: int = 1, elsewhere: bool = False) -> Ready:
    """Raises ``BadInput`` with one line for what can't be used, and for what can't be done here.

    ``devices`` are those that a launcher will bring in. ``elsewhere``: it will run on another
    machine, and this one's device says nothing.
    """
    if not elsewhere:
        if devices == 1:
            check_one_gpu()
        models.check_device(config.dtype, config.quantization == "4bit")
    check_output(Path(config.output))
    base = models.load_shape(config.base, config.revision)
    commit = models.commit_of(config.base, config.revision)
    chat = models.load_chat(config.base, config.format, commit or config.revision)
    context = models.context_length(base)
    if config.max_length > context:
        raise BadInput(f"max_length: {config.max_length} is more than the base's {context}")
    weights = memory.weights_bytes(base, config)
    if not elsewhere:
        check_room(config, weights, device_memory(whole=True), "all there is")
    return Ready(chat, prepare(config, chat), with_adapter(base, config), weights, commit)


def with_adapter(base: transformers.PreTrainedModel, config: FinetuneConfig) -> peft.PeftModel:
    """``base`` itself, changed: a fresh LoRA adapter lies on it."""
    transformers.set_seed(config.seed)
    try:
        tuned = peft.get_peft_model(
            base,
            peft.LoraConfig(
                task_type="CAUSAL_LM",
                r=config.rank,
                lora_alpha=config.alpha,  # type: ignore[arg-type]  # peft scales by any number
                lora_dropout=config.dropout,
                use_rslora=config.rslora,
                target_modules=config.targets,
            ),
        )
    except ValueError as error:
        raise BadInput(f"targets: {first_line(error)}") from None
    assert isinstance(tuned, peft.PeftModel)
    if isinstance(tuned.get_output_embeddings(), peft.tuners.tuners_utils.BaseTunerLayer):
        raise BadInput("targets: the output embeddings can't get an adapter; leave them out")
    return tuned


def check_one_gpu() -> None:
    """Raises ``BadInput`` where this process alone sees several: it must not take them all."""
    if torch.cuda.device_count() > 1 and "LOCAL_RANK" not in os.environ:
        raise BadInput(
            "several GPUs are visible: start with accelerate launch (training/recipes/"
            "accelerate/), or show one, as in CUDA_VISIBLE_DEVICES=0"
        )


def check_room(config: FinetuneConfig, weights: int, room: int, which: str = "free") -> None:
    """Raises ``BadInput`` where the device's ``room``, all of it or what is free, is too small."""
    if weights > room:
        smaller = "set quantization: 4bit, " if _can_quantize(config) else ""
        raise BadInput(
            f"base: {config.base}: its weights alone take {weights / GB:.2f} GB, and "
            f"{room / GB:.2f} GB of {memory_words()} are {which}; {smaller}choose a smaller base, "
            "or another device"
        )


def memory_words() -> str:
    """What the weights lie in."""
    return "the GPU's memory" if on_gpu() else "main memory"


def mends(config: FinetuneConfig) -> str:
    """What in this config would take less memory."""
    wanted = {
        "lower batch_dialogues and raise accumulation": config.batch_dialogues > 1,
        "lower max_length": True,
        "set gradient_checkpointing: true": not config.gradient_checkpointing,
        "set quantization: 4bit": _can_quantize(config),
    }
    *others, last = [mend for mend, helps in wanted.items() if helps]
    return ", ".join(others) + (" or " if others else "") + last


@contextmanager
def full_memory_told(config: FinetuneConfig) -> Iterator[None]:
    """A device's memory that is full becomes a ``BadInput``."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch's own error is the latter
        if not _is_full(error):
            raise
        raise BadInput(f"{memory_words()} is full: {mends(config)}") from None


def _is_full(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "can't allocate memory" in str(error)  # DefaultCPUAllocator
    )


def _can_quantize(config: FinetuneConfig) -> bool:
    return on_gpu() and config.quantization == "none"
