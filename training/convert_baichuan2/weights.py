"""The arithmetic of the conversion, and the shards it is written to.

W_pack's rows are q, k and v, a third each. The output head of Baichuan 2 (NormHead) divides every
row by its length before use; done once here, a plain linear layer says the same. Everything else
is copied. Source: ``modeling_baichuan.py`` of Baichuan2-7B-Chat.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from safetensors.torch import save_file

from mi_arena.jobs.script import BadInput
from training.convert_baichuan2.checkpoint import Checkpoint
from training.convert_baichuan2.config import Shape

BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
ROWS_AT_ONCE = 4096
THIRDS = ("q_proj", "k_proj", "v_proj")
EPSILON = 1e-12
"""As in ``torch.nn.functional.normalize``: a row of zeros stays one."""


@dataclass(frozen=True)
class Target:
    """A tensor of the Llama: rows ``start`` on of the original's ``source``."""

    name: str
    source: str
    shape: tuple[int, ...]
    start: int = 0
    normalised: bool = False


def targets(shape: Shape) -> Iterator[Target]:
    for source, size in shape.tensors().items():
        if source.endswith(".self_attn.W_pack.weight"):
            for third, name in enumerate(THIRDS):
                yield Target(
                    source.replace("W_pack", name),
                    source,
                    (shape.hidden, shape.hidden),
                    third * shape.hidden,
                )
        else:
            yield Target(source, source, size, normalised=source == "lm_head.weight")


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Rows of length one, in float32. Shape (n, width) in and out."""
    wide = rows.float()
    return wide / wide.norm(dim=1, keepdim=True).clamp_min(EPSILON)


def converted(checkpoint: Checkpoint, target: Target, dtype: torch.dtype) -> torch.Tensor:
    """One tensor of the Llama. Raises ``BadInput`` where ``dtype`` can't hold its numbers."""
    out = torch.empty(target.shape, dtype=dtype)
    for start in range(0, target.shape[0], ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, target.shape[0])
        rows = checkpoint.rows(target.source, target.start + start, target.start + stop)
        kept = (unit_rows(rows) if target.normalised else rows).to(dtype)
        if not torch.isfinite(kept).all():
            file = checkpoint.found[target.source].file
            if not torch.isfinite(rows).all():
                raise BadInput(f"{file}: {target.source} holds infinite or undefined numbers")
            raise BadInput(
                f"{file}: {target.source} holds numbers too large for {str(dtype)[6:]}; "
                "use --dtype bfloat16"
            )
        out[start:stop] = kept
    return out


def planned(shape: Shape, dtype: str, shard_bytes: int) -> list[list[Target]]:
    """Tensors in the order of the layers, in shards of at most ``shard_bytes`` or one tensor."""
    shards: list[list[Target]] = [[]]
    filled = 0
    for target in targets(shape):
        size = prod(target.shape) * BYTES[dtype]
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(target)
        filled += size
    return shards


def bytes_of(shards: list[list[Target]], dtype: str) -> int:
    return sum(prod(target.shape) * BYTES[dtype] for shard in shards for target in shard)


def write_shards(
    folder: Path,
    checkpoint: Checkpoint,
    shards: list[list[Target]],
    dtype: str,
    written: Callable[[int], None],
) -> None:
    """Safetensors and, where there are several, their index; one shard is in memory at a time."""
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        if len(shards) == 1:
            name = "model.safetensors"
        tensors = {t.name: converted(checkpoint, t, getattr(torch, dtype)) for t in shard}
        save_file(tensors, folder / name, metadata={"format": "pt"})
        (folder / name).chmod(0o644)  # written for its owner only
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
        index |= dict.fromkeys(tensors, name)
        written(sum(t.numel() * t.element_size() for t in tensors.values()))
        del tensors
    if len(shards) > 1:
        about = {"metadata": {"total_size": bytes_of(shards, dtype)}, "weight_map": index}
        text = json.dumps(about, indent=1) + "\n"
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
