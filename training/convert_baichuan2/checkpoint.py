"""The original's weights, read tensor by tensor: ``.bin`` without pickled code, or safetensors.

One file is open at a time, mapped and not copied, so that a 15 GB checkpoint needs no 15 GB.
"""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from mi_arena.jobs.script import BadInput, first_line
from training.convert_baichuan2.config import ROPE_THETA, Shape, read_object

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
PATTERNS = ("model*.safetensors", "pytorch_model*.bin")
ROTARY = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
LFS = b"version https://git-lfs"


class Opened(Protocol):
    """One file's tensors."""

    def shapes(self) -> dict[str, tuple[int, ...]]: ...

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor: ...


class OpenedBin:
    def __init__(self, path: Path):
        self.path = path
        try:
            content = self._load(mmap=True)
        except RuntimeError as error:
            if "mmap can only be used" not in str(error):
                raise
            content = self._load(mmap=False)  # the format before torch 1.6
        if not isinstance(content, dict) or not content:
            raise BadInput(f"{path}: holds no tensors by name")
        self.tensors: dict[str, torch.Tensor] = {}
        for name, value in content.items():
            if not isinstance(value, torch.Tensor) or not value.is_floating_point():
                raise BadInput(f"{path}: {name} is not a tensor of floating-point numbers")
            self.tensors[str(name)] = value

    def _load(self, mmap: bool) -> Any:
        return torch.load(self.path, map_location="cpu", weights_only=True, mmap=mmap)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        return self.tensors[name][start:stop]


class OpenedSafetensors:
    def __init__(self, path: Path):
        self.file = safe_open(str(path), framework="pt")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(self.file.get_slice(name).get_shape()) for name in self.file.keys()}  # noqa: SIM118

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        return self.file.get_slice(name)[start:stop]


def open_weights(path: Path) -> Opened:
    """Raises ``BadInput`` with one line for a file that can't be read whole."""
    try:
        with path.open("rb") as file:
            if file.read(len(LFS)) == LFS:
                raise BadInput(
                    f"{path}: is a Git LFS pointer; fetch the file itself (git lfs pull)"
                )
        return OpenedSafetensors(path) if path.suffix == ".safetensors" else OpenedBin(path)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file, though the index names it") from None
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "weights_only" in str(error).lower():
            raise BadInput(f"{path}: holds more than tensors, and is not opened for that") from None
        raise BadInput(f"{path}: torn or not a checkpoint; fetch it again") from None
    except (RuntimeError, EOFError, SafetensorError, ValueError, OSError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"{path}: torn or not a checkpoint ({first_line(error)}); fetch it again"
        ) from None


@dataclass(frozen=True)
class Found:
    file: Path
    shape: tuple[int, ...]


class Checkpoint:
    """All tensors of a folder, checked against the shape that its config says."""

    def __init__(self, folder: Path, shape: Shape):
        self.files, index = weight_files(folder)
        self.index = index
        self._open: tuple[Path, Opened] | None = None
        self.found: dict[str, Found] = {}
        rotary: list[tuple[Path, str]] = []
        for path in self.files:
            for name, size in self._opened(path).shapes().items():
                if name in self.found:
                    raise BadInput(f"{path}: {name} stands in {self.found[name].file.name} as well")
                if ROTARY.fullmatch(name):
                    rotary.append((path, name))
                    self._check_rotary(path, name, size, shape.hidden // shape.heads)
                    continue
                self.found[name] = Found(path, size)
        self._check(folder, shape.tensors())

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Rows ``start`` to ``stop`` of a tensor, as they lie in the file."""
        return self._opened(self.found[name].file).rows(name, start, stop)

    def _opened(self, path: Path) -> Opened:
        if self._open is None or self._open[0] != path:
            self._open = None
            self._open = path, open_weights(path)
        return self._open[1]

    def _check(self, folder: Path, wanted: dict[str, tuple[int, ...]]) -> None:
        missing = [name for name in wanted if name not in self.found]
        if missing:
            raise BadInput(f"{folder}: {len(missing)} tensors are missing: {listed(missing)}")
        other = [name for name in self.found if name not in wanted]
        if other:
            raise BadInput(
                f"{folder}: {len(other)} tensors are not of a Baichuan2-7B of "
                f"this config: {listed(other)}"
            )
        for name, size in wanted.items():
            if self.found[name].shape != size:
                raise BadInput(
                    f"{self.found[name].file}: {name} is {written(self.found[name].shape)}, "
                    f"but config.json makes it {written(size)}"
                )

    def _check_rotary(self, path: Path, name: str, size: tuple[int, ...], width: int) -> None:
        """Some checkpoints keep the rotary frequencies; they must be the ones that Llama makes."""
        even = torch.arange(0, width, 2, dtype=torch.float32)
        wanted = 1.0 / (ROPE_THETA ** (even / width))
        if size == tuple(wanted.shape):
            stored = self._opened(path).rows(name, 0, size[0]).float()
            if torch.allclose(stored, wanted, rtol=1e-2, atol=0):
                return
        raise BadInput(f"{path}: {name} holds other rotary frequencies than base {ROPE_THETA:.0f}")


def weight_files(folder: Path) -> tuple[list[Path], Path | None]:
    """The files with weights, and the index that names them; safetensors before ``.bin``."""
    for index, pattern in zip(INDEXES, PATTERNS, strict=True):
        path = folder / index
        if path.is_file():
            named = read_object(path).get("weight_map")
            if not isinstance(named, dict) or not named:
                raise BadInput(f"{path}: has no weight_map that says where the tensors lie")
            names = sorted({str(name) for name in named.values()})
            if bad := [name for name in names if Path(name).name != name]:
                raise BadInput(f"{path}: names a file outside its folder: {bad[0]}")
            return [folder / name for name in names], path
        if files := sorted(folder.glob(pattern)):
            return files, None
    raise BadInput(f"{folder}: no weights in it (pytorch_model*.bin or model*.safetensors)")


def listed(names: list[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def written(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape) or "a single number"
