"""How much memory a fine-tune will take on its device, reckoned before any weight is loaded.

Knows a model's layers and a config; reads no weight and asks no device. All in bytes. What is held
throughout is exact: weights, adapter, gradients, AdamW's moments. What a pass adds is reckoned for
the most expensive batch, from what autograd keeps in the Llama and Glm layers of transformers under
peft's LoRA and SDPA without a mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import peft
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel

from mi_arena.jobs.finetune_config import FinetuneConfig

FLOAT32, FLOAT16 = 4, 2
"""Bytes of a number."""
PROCESS = 600_000_000
"""On a CPU, the interpreter with torch, transformers, peft and trl: measured."""
CUDA_CONTEXT = 800_000_000
"""On a GPU, CUDA's context and kernels; 0.5 to 1 GB, by card and driver."""
HEAD_ROWS, HEAD_COLUMNS = 4096, 32768
"""The tile in which TRL's fused head computes logits: trl/kernels/chunked_logprob.py."""
HEAP_SHARE, HEAP_LARGEST = 0.65, 32 * 2**20
"""On a CPU, glibc holds on to freed pieces of its heap: measured, as a share of all that the layers
make with dropout. Tensors of 32 MiB or more lie outside it (mallopt(3), M_MMAP_THRESHOLD)."""


@dataclass(frozen=True)
class Batch:
    """The most expensive forward pass of a run."""

    rows: int
    longest: int
    """Tokens of its longest row; the others are padded to it."""
    targets: int
    """Positions with a loss, in all rows together."""

    @property
    def positions(self) -> int:
        return self.rows * self.longest


@dataclass(frozen=True)
class Estimate:
    """Bytes at the peak, by what takes them; they add up.

    The peak is where the loss goes back through the output layer or, if more, where a layer's
    gradients are made: the other of the two is over by then or yet to come, and counts nothing.
    """

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    overhead: int
    """What the process takes before it trains, and what its allocator holds on to."""

    @property
    def needed(self) -> int:
        return sum(asdict(self).values())


def weights_bytes(base: PreTrainedModel, config: FinetuneConfig) -> int:
    """Of the base as it lies in memory; tied weights count once."""
    number = _number(config)
    every = sum(parameter.numel() for parameter in base.parameters())
    if config.quantization == "none":
        return every * number
    small = [layer.weight.numel() for layer in _quantized_layers(base)]
    return (every - sum(small)) * number + sum(map(nf4_bytes, small))


def nf4_bytes(weights: int) -> int:
    """A weight matrix in NF4 with double quantisation, as bitsandbytes holds it.

    Half a byte a weight; for each block of 64 weights a scale of one byte; for each 256 scales one
    of four bytes; and tables of 256 and of 16 numbers and an offset. In all 4.127 bits a weight:
    Dettmers et al. 2023 (arXiv 2305.14314), section 3; bitsandbytes/functional.py, quantize_4bit.
    """
    scales = math.ceil(weights / 64)
    return math.ceil(weights / 2) + scales + FLOAT32 * (math.ceil(scales / 256) + 256 + 16 + 1)


def estimate(
    model: peft.PeftModel,
    weights: int,
    config: FinetuneConfig,
    batch: Batch,
    *,
    gpu: bool,
    devices: int = 1,
    fused: bool = False,
) -> Estimate:
    """What each device will hold.

    ``model`` is the base with its fresh adapter, weightless; ``weights`` are the base's bytes.
    ``fused``: its layers run in liger-kernel's kernels (training/gpu_kernels.py).

    How sure: on a CPU, 21 runs of Llamas of 4 to 90 million weights peaked at 0.9 to 1.2 times what
    is reckoned here beside ``PROCESS``; the share of the heap was fitted to part of them. On an
    H200, 12 runs of models of 7 to 9 billion weights took 0.94 to 1.0 times what is reckoned beside
    ``overhead``; the allocator held up to 9 % more than was in use.
    """
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # TRL casts the adapter of a quantised base to bfloat16; else peft keeps it in float32.
    adapter = trainable * (FLOAT16 if config.quantization == "4bit" else FLOAT32)
    shape, layers = model.config, model.config.num_hidden_layers
    kept = [batch.positions * size for size in kept_by_layer(model, config, gpu=gpu, fused=fused)]
    stream = batch.positions * shape.hidden_size * _number(config)
    activations = layers * sum(kept)
    working = _layer_backward(model, config, batch)
    if config.gradient_checkpointing:  # each layer's input is kept, and one layer is made again
        activations, working = layers * stream, working + sum(kept)
    if _number(config) == FLOAT16 and config.quantization == "none":
        activations += trainable * FLOAT16  # the adapter as autocast casts it
    logits = (_head_on_gpu if gpu else _head_on_cpu)(shape, config, batch)
    return Estimate(
        weights=weights,
        adapter=adapter,
        # Data parallel, they are summed up in a buffer of their own.
        gradients=adapter * (2 if devices > 1 else 1),
        optimizer=2 * adapter,
        activations=activations + 2 * stream + (working if working >= logits else 0),
        logits=logits if logits > working else 0,
        overhead=CUDA_CONTEXT if gpu else PROCESS + layers * _heap_of_layer(model, config, batch),
    )


def _number(config: FinetuneConfig) -> int:
    """Bytes of a number that the base computes with."""
    return FLOAT32 if config.dtype == "float32" else FLOAT16


def _quantized_layers(base: PreTrainedModel) -> Iterable[nn.Linear]:
    """Those that bitsandbytes replaces: all plain linear layers but the output embeddings.

    Source: transformers/integrations/bitsandbytes.py and transformers/quantizers/base.py.
    """
    head = base.get_output_embeddings()
    return (part for part in base.modules() if type(part) is nn.Linear and part is not head)


def kept_by_layer(
    model: peft.PeftModel, config: FinetuneConfig, *, gpu: bool, fused: bool = False
) -> list[int]:
    """Bytes a position of each tensor that autograd keeps of one layer.

    A frozen linear layer keeps nothing; its adapter keeps its input after dropout, what dropout
    multiplied it by, and the low-rank product. Without dropout, adapters share their inputs.
    """
    shape, number = model.config, _number(config)
    hidden, between, heads = shape.hidden_size, shape.intermediate_size, shape.num_attention_heads
    head = getattr(shape, "head_dim", None) or hidden // heads
    norms = [hidden * (number if fused else FLOAT32)] * 2
    attention = [heads * head * number] * 2 + [shape.num_key_value_heads * head * number] * 2
    # The gate before and after its activation, and up; fused, the activation is made again.
    feed_forward = [between * number] * (2 if fused else 3)
    adapted = [part.get_base_layer() for part in model.modules() if isinstance(part, LoraLayer)]
    one_layer = adapted[: len(adapted) // shape.num_hidden_layers]
    inputs = [layer.weight.shape[1] for layer in one_layer if isinstance(layer, nn.Linear)]
    lora = [config.rank * number for _ in inputs]
    if config.dropout:
        lora += [size * number for size in inputs]
        lora += [size * (1 if gpu else number) for size in inputs]  # which ones; or the factors
    else:
        lora += [size * number for size in set(inputs)] + [hidden * number]
    return [*norms, *attention, heads * FLOAT32, *feed_forward, *lora]


def _heap_of_layer(model: peft.PeftModel, config: FinetuneConfig, batch: Batch) -> int:
    like = config if config.dropout else config.model_copy(update={"dropout": 0.05})
    made = [batch.positions * size for size in kept_by_layer(model, like, gpu=False)]
    return int(HEAP_SHARE * sum(size for size in made if size < HEAP_LARGEST))


def _layer_backward(model: peft.PeftModel, config: FinetuneConfig, batch: Batch) -> int:
    """Gradients in flight in a feed-forward block; and in 4 bits, its largest weight spread out."""
    shape = model.config
    numbers = 4 * (shape.intermediate_size + shape.hidden_size) * batch.positions
    if config.quantization == "4bit":
        numbers += max(part.weight.numel() for part in _quantized_layers(model.get_base_model()))
    return numbers * _number(config)


def _head_on_cpu(shape: Any, config: FinetuneConfig, batch: Batch) -> int:
    """At learnt positions (training/cpu_head.py): log-probabilities and their two gradients."""
    return 3 * FLOAT32 * batch.targets * shape.vocab_size


def _head_on_gpu(shape: Any, config: FinetuneConfig, batch: Batch) -> int:
    """TRL's head: a tile of logits; the hidden states, and their gradient as summed and as cast."""
    number = _number(config)
    tile = min(batch.targets, HEAD_ROWS) * min(shape.vocab_size, HEAD_COLUMNS) * number
    return tile + batch.targets * shape.hidden_size * (FLOAT32 + 2 * number)
