"""Key and value caches that grow in steps, so that decoding doesn't copy them for every token.

transformers' own dynamic layer concatenates: each new id copies all that came before.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

STEP = 64
"""Positions by which a cache grows."""


class GrowingLayer(DynamicLayer):
    """``keys`` and ``values`` are views of the filled part of larger buffers.

    Whoever replaces them (rows that join or leave) makes the next update start a new buffer.
    """

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of shape (rows, heads, new, width) and return all so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys = key_states[:, :, :0]
            self.values = value_states[:, :, :0]
        self.keys = self._append("_key_buffer", self.keys, key_states)
        self.values = self._append("_value_buffer", self.values, value_states)
        return self.keys, self.values

    def _append(self, name: str, filled: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        before, after = filled.shape[2], filled.shape[2] + new.shape[2]
        buffer: torch.Tensor | None = getattr(self, name, None)
        ours = buffer is not None and filled.data_ptr() == buffer.data_ptr() and before > 0
        if buffer is None or not ours or after > buffer.shape[2]:
            rows, heads, _, width = new.shape
            room = -(-after // STEP) * STEP
            buffer = new.new_empty(rows, heads, room, width)
            buffer[:, :, :before] = filled
            setattr(self, name, buffer)
        buffer[:, :, before:after] = new
        return buffer[:, :, :after]


def growing_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for a model; layers of other kinds (sliding windows) stay as they are."""
    cache = DynamicCache(config=config)
    cache.layers = [
        GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache
