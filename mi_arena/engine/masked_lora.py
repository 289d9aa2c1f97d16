"""LoRA that a row may have or not: base rows and tuned rows share one forward pass.

Every adapted linear layer computes ``y = W x`` for all rows and adds ``(x Aᵀ) Bᵀ`` to the tuned
ones, which stand together at the end of the batch. No index gathers, no global switch, no second
model. Source: Hu et al. 2021 (arXiv 2106.09685) for LoRA; the split by rows is ours.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import linear as _linear

from mi_arena.engine.few_rows import linear_for_few_rows, worth_it
from mi_arena.engine.protocol import EngineError


class RowMask:
    """Which rows are tuned, shared by all adapted layers of one model; set before every pass."""

    def __init__(self) -> None:
        self.first: int | None = None
        """Rows from here on are tuned; ``None`` leaves the adapter out for all rows."""
        self.weight = 1.0
        """What the update counts: 0 where there are base rows only."""

    def set(self, tuned: list[bool]) -> None:
        """``tuned``: one entry a row, base rows first.

        With base rows alone the update is computed all the same, and counts nothing: else a lone
        base row would be faster than a lone tuned one, and its speed would tell which side it is.
        """
        assert tuned == sorted(tuned), "base rows come first"
        some = any(tuned)
        self.first = tuned.index(True) if some else 0
        self.weight = 1.0 if some else 0.0


class MaskedLoraLinear(nn.Module):
    """A frozen linear layer (any kind, quantised ones too) and its low-rank update.

    A small model's decoding step is mostly the interpreter's time, so the tensors are also held in
    a plain tuple: looking one up in a module costs as much as a small product. Move the model to
    its device before this is made, not after.
    """

    def __init__(
        self, base: nn.Module, mask: RowMask, a: torch.Tensor, b: torch.Tensor, scale: float
    ):
        """``a`` has shape (rank, inputs), ``b`` (outputs, rank); both in the model's dtype.

        ``b`` is kept transposed and with the scale folded in.
        """
        super().__init__()
        self.base = base
        b = (b * scale).t().contiguous()
        self.register_buffer("a", a, persistent=False)
        self.register_buffer("b", b, persistent=False)
        product: Callable[[torch.Tensor], torch.Tensor] = base
        if type(base) is nn.Linear:
            quick = linear_for_few_rows if worth_it(base) else _linear
            product = partial(quick, weight=base.weight, bias=base.bias)
        self._parts = (product, mask, a, b)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` of shape (rows, length, inputs)."""
        product, mask, a, b = self._parts
        y = product(x)
        first = mask.first
        if first is None:
            return y
        low = _linear(x[first:], a)
        if mask.weight == 0:
            low = low * 0
        # One product that also adds, in place: y is this layer's own.
        y[first:].flatten(0, 1).addmm_(low.flatten(0, 1), b)
        return y


def attach_adapter(model: nn.Module, folder: Path) -> RowMask:
    """Put the peft LoRA adapter of ``folder`` into ``model`` and return its mask.

    Raises ``EngineError`` for what a mask can't express (DoRA, biases, whole saved modules) and
    for weights that fit no layer.
    """
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    _refuse(config, folder)
    weights_file = folder / "adapter_model.safetensors"
    if not weights_file.is_file():
        raise EngineError(f"adapter {folder.name}: no adapter_model.safetensors (safetensors only)")
    weights = load_file(weights_file)

    mask = RowMask()
    like = next(p for p in model.parameters() if p.is_floating_point())
    pattern = re.compile(r"^(?:base_model\.model\.)?(?P<layer>.+)\.lora_(?P<part>[AB])\.weight$")
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in weights.items():
        found = pattern.match(key)
        if found is None:
            raise EngineError(f"adapter {folder.name}: weight {key} is not a LoRA matrix")
        parts.setdefault(found["layer"], {})[found["part"]] = tensor

    left_out = _named_layers(model, config) - parts.keys()
    if left_out:
        raise EngineError(
            f"adapter {folder.name}: it has no weights for {len(left_out)} of the base's layers, "
            f"{min(left_out)} among them; was it tuned on this base?"
        )
    for layer, ab in parts.items():
        try:
            parent = model.get_submodule(layer.rpartition(".")[0])
            base = model.get_submodule(layer)
        except AttributeError:
            raise EngineError(
                f"adapter {folder.name}: the base has no layer {layer}; was it tuned on this base?"
            ) from None
        if set(ab) != {"A", "B"}:
            raise EngineError(f"adapter {folder.name}: layer {layer} lacks one of A and B")
        rank, inputs = ab["A"].shape
        wanted = (getattr(base, "in_features", inputs), getattr(base, "out_features", None))
        if (inputs, ab["B"].shape[0]) != (wanted[0], wanted[1] or ab["B"].shape[0]):
            raise EngineError(
                f"adapter {folder.name}: layer {layer} is {wanted[0]} to {wanted[1]} in the base "
                f"but {inputs} to {ab['B'].shape[0]} in the adapter; was it tuned on this base?"
            )
        alpha = _for_layer(config.get("alpha_pattern"), layer, config.get("lora_alpha", rank))
        scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
        device = next(base.parameters()).device
        a, b = (ab[part].to(device=device, dtype=like.dtype) for part in "AB")
        setattr(parent, layer.rpartition(".")[2], MaskedLoraLinear(base, mask, a, b, scale))
    return mask


def _refuse(config: dict[str, Any], folder: Path) -> None:
    reasons = {
        "it is not a LoRA adapter": str(config.get("peft_type", "LORA")).upper() != "LORA",
        "DoRA can't be switched by row": config.get("use_dora", False),
        "it changes biases": config.get("bias", "none") != "none",
        "it saves whole modules": bool(config.get("modules_to_save")),
        "it trains token embeddings": bool(config.get("trainable_token_indices")),
    }
    for reason, true in reasons.items():
        if true:
            raise EngineError(f"adapter {folder.name}: {reason}; retrain it as plain LoRA")


def _named_layers(model: nn.Module, config: dict[str, Any]) -> set[str]:
    """Layers of the base that the adapter's config names one by one, so that all must be there."""
    targets = config.get("target_modules")
    apart = ("layers_to_transform", "exclude_modules", "target_parameters")
    if not isinstance(targets, list) or any(config.get(key) for key in apart):
        return set()
    ends = tuple(f".{target}" for target in targets)
    return {name for name, _ in model.named_modules() if f".{name}".endswith(ends)}


def _for_layer(pattern: dict[str, float] | None, layer: str, default: float) -> float:
    """peft's ``alpha_pattern``: the first key that matches the end of the layer's name."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", layer):
            return value
    return default
