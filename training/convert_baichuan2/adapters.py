"""LoRA adapters of the original (on W_pack) and of the Llama (on q, k, v), one from the other.

W_pack's update is ``B A x`` with B's rows for q, k and v in thirds, so q, k and v get the same A
and a third of B: exactly the same function. Back it goes only where the three A are equal, which
three that were trained apart are not: LoRA on q, k, v has more parameters than LoRA on W_pack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mi_arena.jobs.script import BadInput, first_line
from mi_arena.jobs.whole_folder import whole_folder
from training.convert_baichuan2.checkpoint import open_weights, written
from training.convert_baichuan2.config import Shape, read_object
from training.convert_baichuan2.folder import (
    ADAPTER_FORMAT,
    RECORD,
    check_target,
    file_sha256,
    write_json,
)
from training.convert_baichuan2.weights import THIRDS

KEY = re.compile(
    r"(?:base_model\.model\.)?model\.layers\.(?P<layer>\d+)\.(?P<module>[a-z_]+\.\w+)"
    r"\.lora_(?P<part>[AB])(?:\.default)?\.weight"
)
PACKED = "self_attn.W_pack"
APART = tuple(f"self_attn.{name}" for name in THIRDS)
ALIKE = ("self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
ORDER = (PACKED, *APART, *ALIKE)
NAMES = ("adapter_model.safetensors", "adapter_model.bin")


@dataclass(frozen=True)
class Lora:
    """One layer's update, ``b @ a`` times its scale: a (rank, inputs), b (outputs, rank)."""

    a: torch.Tensor
    b: torch.Tensor
    alpha: float


Adapter = dict[tuple[int, str], Lora]
"""By layer and module, such as ``(0, "self_attn.q_proj")``."""


def in_order(item: tuple[tuple[int, str], object]) -> tuple[int, int]:
    (layer, module), _ = item
    return layer, ORDER.index(module)


def read_adapter(folder: Path) -> tuple[dict[str, Any], Adapter, Path]:
    """Its config, its updates and the file they lie in. Raises ``BadInput`` with one line."""
    if not (folder / "adapter_config.json").is_file():
        raise BadInput(f"{folder}: no adapter there (no adapter_config.json in it)")
    config = read_object(folder / "adapter_config.json")
    _refuse(config, folder)
    file = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if file is None:
        raise BadInput(f"{folder}: no weights in it ({' or '.join(NAMES)})")
    parts: dict[tuple[int, str], dict[str, torch.Tensor]] = {}
    for name, tensor in _tensors(file).items():
        found = KEY.fullmatch(name)
        if found is None or found["module"] not in ORDER:
            raise BadInput(f"{file}: {name} is no LoRA matrix of a layer's linear map")
        parts.setdefault((int(found["layer"]), found["module"]), {})[found["part"]] = tensor
    if not parts:
        raise BadInput(f"{file}: no LoRA matrices in it")
    adapter: Adapter = {}
    for (layer, module), ab in sorted(parts.items(), key=in_order):
        where = f"{file}: layer {layer}, {module}"
        if set(ab) != {"A", "B"}:
            raise BadInput(f"{where}: one of A and B is missing")
        a, b = ab["A"], ab["B"]
        if a.dim() != 2 or b.dim() != 2 or a.shape[0] != b.shape[1]:
            raise BadInput(f"{where}: A is {written(tuple(a.shape))}, B {written(tuple(b.shape))}")
        full = f"model.layers.{layer}.{module}"
        alpha = _for_module(config.get("alpha_pattern"), full, config.get("lora_alpha", a.shape[0]))
        adapter[layer, module] = Lora(a, b, alpha)
    return config, adapter, file


def unpacked(adapter: Adapter, where: str) -> Adapter:
    """From W_pack to q, k and v."""
    found: Adapter = {}
    for (layer, module), lora in adapter.items():
        if module in APART:
            raise BadInput(
                f"{where}: adapts {module}, which only the Llama has; see --adapter-back"
            )
        if module != PACKED:
            found[layer, module] = lora
            continue
        width = lora.a.shape[1]
        if lora.b.shape[0] != 3 * width:
            raise BadInput(
                f"{where}: layer {layer}, W_pack: B has {lora.b.shape[0]} rows, not 3 × {width}"
            )
        for third, name in enumerate(APART):
            b = lora.b[third * width : (third + 1) * width]
            found[layer, name] = Lora(lora.a, b, lora.alpha)
    return found


def packed(adapter: Adapter, where: str) -> Adapter:
    """From q, k and v to W_pack, where that is possible without loss.

    A map of the three that has no update gets rows of zeros.
    """
    found: Adapter = {}
    for (layer, module), lora in adapter.items():
        if module == PACKED:
            raise BadInput(f"{where}: adapts W_pack, which only the original has; see --adapter")
        if module in ALIKE:
            found[layer, module] = lora
            continue
        if (layer, PACKED) in found:
            continue
        a, width = lora.a, lora.a.shape[1]
        thirds = []
        for name in APART:
            other = adapter.get((layer, name))
            if other is None:
                thirds.append(torch.zeros(width, a.shape[0], dtype=lora.b.dtype))
                continue
            pair = f"layer {layer}: {module.split('.')[1]} and {name.split('.')[1]}"
            if other.a.shape != a.shape or not torch.equal(other.a, a):
                raise BadInput(
                    f"{where}: {pair} have different A matrices, so no update of W_pack equals "
                    "them; this adapter can serve on the Llama only"
                )
            if other.alpha != lora.alpha:
                raise BadInput(f"{where}: {pair} have different alpha; W_pack has one for all")
            if other.b.shape[0] != width:
                raise BadInput(f"{where}: layer {layer}, {name}: B has {other.b.shape[0]} rows")
            thirds.append(other.b)
        found[layer, PACKED] = Lora(a, torch.cat(thirds), lora.alpha)
    return found


def check_shape(adapter: Adapter, shape: Shape, where: str) -> None:
    """Raises ``BadInput`` where the adapter is of another base than this one."""
    sizes = shape.tensors()
    for name in APART:
        for layer in range(shape.layers):
            sizes[f"model.layers.{layer}.{name}.weight"] = (shape.hidden, shape.hidden)
    for (layer, module), lora in adapter.items():
        wanted = sizes.get(f"model.layers.{layer}.{module}.weight")
        if wanted is None:
            raise BadInput(f"{where}: adapts layer {layer}, but the checkpoint has {shape.layers}")
        if (lora.b.shape[0], lora.a.shape[1]) != wanted:
            raise BadInput(
                f"{where}: layer {layer}, {module} is {lora.b.shape[0]} × {lora.a.shape[1]}, but "
                f"{written(wanted)} in the checkpoint; it was tuned on another base"
            )


@dataclass(frozen=True)
class Conversion:
    """An adapter turned over, not yet written."""

    source: Path
    file: Path
    config: dict[str, Any]
    adapter: Adapter
    back: bool

    def write(self, target: Path, base: str | None) -> bool:
        """Whole or not at all; whether there was anything to do."""
        inputs = {
            path.name: {"sha256": file_sha256(path), "bytes": path.stat().st_size}
            for path in (self.source / "adapter_config.json", self.file)
        }
        record = {
            "format": ADAPTER_FORMAT,
            "made_by": "python -m training.convert_baichuan2",
            "direction": "llama to W_pack" if self.back else "W_pack to llama",
            "base": base,
            "inputs": inputs,
        }
        target = target.resolve()
        if check_target(target, "--adapter-out", ADAPTER_FORMAT) == record:
            return False
        tensors = {
            f"base_model.model.model.layers.{layer}.{module}.lora_{part}.weight": tensor.clone()
            for (layer, module), lora in self.adapter.items()
            for part, tensor in (("A", lora.a), ("B", lora.b))
        }
        with whole_folder(
            target, lambda path: check_target(path, "--adapter-out", ADAPTER_FORMAT)
        ) as folder:
            save_file(tensors, folder / NAMES[0], metadata={"format": "pt"})
            (folder / NAMES[0]).chmod(0o644)
            config = told(self.config, self.adapter) | {"base_model_name_or_path": base}
            write_json(folder / "adapter_config.json", config)
            write_json(folder / RECORD, record)
        return True


def turned(folder: Path, back: bool, shape: Shape | None = None) -> Conversion:
    """Read an adapter and turn it over: to q, k, v, or ``back`` to W_pack."""
    config, adapter, file = read_adapter(folder)
    turn = packed if back else unpacked
    other = turn(adapter, str(folder))
    if shape:
        check_shape(other, shape, str(folder))
    return Conversion(folder, file, config, other, back)


def told(config: dict[str, Any], adapter: Adapter) -> dict[str, Any]:
    """The adapter's config, with every target, rank and alpha said of the new modules."""
    ranks = {key: lora.a.shape[0] for key, lora in adapter.items()}
    rank = int(config.get("r", next(iter(ranks.values()))))
    alpha = config.get("lora_alpha", rank)
    modules = sorted({module for _, module in adapter}, key=ORDER.index)
    layers = {layer for layer, _ in adapter}
    by_suffix = (
        isinstance(config.get("target_modules"), list)
        and not any("." in name for name in config["target_modules"])
        and config.get("layers_to_transform") is None
        and not config.get("exclude_modules")
        and len(adapter) == len(modules) * len(layers)
    )
    return config | {
        "target_modules": [module.split(".")[1] for module in modules]
        if by_suffix
        else [f"model.layers.{layer}.{module}" for layer, module in adapter],
        "exclude_modules": None,
        "layers_to_transform": None,
        "layers_pattern": None,
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {
            re.escape(f"model.layers.{layer}.{module}"): each
            for (layer, module), each in ranks.items()
            if each != rank
        },
        "alpha_pattern": {
            re.escape(f"model.layers.{layer}.{module}"): lora.alpha
            for (layer, module), lora in adapter.items()
            if lora.alpha != alpha
        },
    }


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix == ".safetensors":
        try:
            return load_file(file)
        except (SafetensorError, OSError) as error:
            raise BadInput(f"{file}: torn or not an adapter ({first_line(error)})") from None
    opened = open_weights(file)
    return {name: opened.rows(name, 0, size[0]) for name, size in opened.shapes().items() if size}


def _refuse(config: dict[str, Any], folder: Path) -> None:
    reasons = {
        "it is not a LoRA adapter": str(config.get("peft_type", "LORA")).upper() != "LORA",
        "it is a DoRA": config.get("use_dora"),
        "it changes biases, and Baichuan2 has none": config.get("bias", "none") != "none",
        "it has LoRA biases": config.get("lora_bias"),
        "it saves whole modules": config.get("modules_to_save"),
        "it trains token embeddings": config.get("trainable_token_indices"),
        "it adapts bare parameters": config.get("target_parameters"),
        "it repeats layers": config.get("layer_replication"),
    }
    for reason, true in reasons.items():
        if true:
            raise BadInput(f"{folder}: {reason}; only plain LoRA on linear maps is converted")


def _for_module(pattern: Any, module: str, default: float) -> float:
    """peft's rule: the first key that matches the end of the module's name."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", module):
            return float(value)
    return default
