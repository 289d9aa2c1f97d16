"""Rows that decode together: the tensors of lock step, without threads, queues or text.

A row is one arm of one turn. Rows of different lengths share a batch by left padding; a row that
has met its end leaves, new rows join between two steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from mi_arena.decoding import Decoding
from mi_arena.engine.growing_cache import growing_cache
from mi_arena.engine.masked_lora import RowMask
from mi_arena.engine.sampling import next_tokens


@dataclass(eq=False)
class Row:
    """One sequence. ``prompt`` goes in once; ``new`` grows by one id a step."""

    prompt: list[int]
    tuned: bool
    decoding: Decoding
    generator: np.random.Generator
    new: list[int] = field(default_factory=list)


class Batch:
    """The rows now decoding on one model. Not thread-safe: one thread owns it.

    ``without_adapter`` runs every row as the base alone, for benchmarks.
    """

    def __init__(
        self, model: PreTrainedModel, mask: RowMask, pad_id: int, without_adapter: bool = False
    ):
        self._without_adapter = without_adapter
        self.model, self.mask, self.pad_id = model, mask, pad_id
        self.device = model.device
        self.rows: list[Row] = []
        self._cache: DynamicCache | None = None
        self._ids = torch.empty(0, 0, dtype=torch.long)
        self._seen = torch.empty(0, 0, dtype=torch.long)
        """Attention mask over the cache, (rows, length): 0 where padded."""

    @torch.inference_mode()
    def admit(self, rows: list[Row]) -> None:
        """Prefill ``rows`` together, give each its first id, and let them join."""
        rows = sorted(rows, key=_arm)
        longest = max(len(row.prompt) for row in rows)
        ids = torch.full((len(rows), longest), self.pad_id, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, longest - len(row.prompt) :] = torch.tensor(row.prompt)
            seen[i, longest - len(row.prompt) :] = 1
        ids, seen = ids.to(self.device), seen.to(self.device)
        cache = growing_cache(self.model.config)
        logits = self._forward(ids, seen, cache, rows)
        self._take(logits, ids, rows)
        ids = torch.cat([ids, self._column(rows)], dim=1)
        if not self.rows:
            self._ids, self._seen, self._cache, self.rows = ids, seen, cache, rows
            return
        self._join(ids, seen, cache)
        joined = [*self.rows, *rows]
        order = sorted(range(len(joined)), key=lambda i: _arm(joined[i]))
        self.rows = [joined[i] for i in order]
        self._select(order, padding=0)

    @torch.inference_mode()
    def step(self) -> None:
        """One more id for every row, in one forward pass."""
        assert self._cache is not None and self.rows
        one = torch.ones(len(self.rows), 1, dtype=torch.long, device=self.device)
        self._seen = torch.cat([self._seen, one], dim=1)
        logits = self._forward(self._ids[:, -1:], self._seen, self._cache, self.rows)
        self._take(logits, self._ids, self.rows)
        self._ids = torch.cat([self._ids, self._column(self.rows)], dim=1)

    @torch.inference_mode()
    def keep(self, wanted: list[Row]) -> None:
        """Let all other rows leave, and give back the padding only they needed."""
        chosen = {id(row) for row in wanted}
        index = [i for i, row in enumerate(self.rows) if id(row) in chosen]
        if len(index) == len(self.rows):
            return
        self.rows = [self.rows[i] for i in index]
        if not self.rows:
            self._cache = None
            return
        padding = int((self._seen[index].sum(0) == 0).sum())
        self._select(index, padding)

    def tensor_bytes(self) -> int:
        """Bytes of the key and value caches now held."""
        if self._cache is None:
            return 0
        return sum(
            tensor.numel() * tensor.element_size()
            for layer in self._cache.layers
            for tensor in (layer.keys, layer.values)
        )

    # ---- inside

    def _select(self, index: list[int], padding: int) -> None:
        """Keep the rows at ``index``, in that order, without their first ``padding`` positions."""
        assert self._cache is not None
        at = torch.tensor(index, device=self.device)
        self._ids, self._seen = self._ids[at, padding:], self._seen[at, padding:]
        for layer in self._cache.layers:
            layer.keys = layer.keys[at, :, padding:].contiguous()
            layer.values = layer.values[at, :, padding:].contiguous()

    def _forward(
        self, ids: torch.Tensor, seen: torch.Tensor, cache: DynamicCache, rows: list[Row]
    ) -> torch.Tensor:
        """Logits after the last id, (rows, vocabulary)."""
        if self._without_adapter:
            self.mask.first = None
        else:
            self.mask.set([row.tuned for row in rows])
        padded = len({len(row.prompt) + len(row.new) for row in rows}) > 1
        positions = (seen.cumsum(-1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        out = self.model(
            input_ids=ids,
            # Without padding the mask says nothing, and leaving it out is the faster path.
            attention_mask=seen if padded else None,
            position_ids=positions,
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def _take(self, logits: torch.Tensor, history: torch.Tensor, rows: list[Row]) -> None:
        groups: dict[Decoding, list[int]] = {}
        for i, row in enumerate(rows):
            groups.setdefault(row.decoding, []).append(i)
        for decoding, index in groups.items():
            whole = len(index) == len(rows)
            chosen = next_tokens(
                logits if whole else logits[index],
                history if whole else history[index],
                decoding,
                [rows[i].generator for i in index],
            ).tolist()
            for i, token in zip(index, chosen, strict=True):
                rows[i].new.append(token)

    def _column(self, rows: list[Row]) -> torch.Tensor:
        return torch.tensor([[row.new[-1]] for row in rows], device=self.device)

    def _join(self, ids: torch.Tensor, seen: torch.Tensor, cache: DynamicCache) -> None:
        """Put other rows under the present ones, padding the shorter side on the left."""
        assert self._cache is not None
        length = max(seen.shape[1], self._seen.shape[1])
        mine, theirs = length - self._seen.shape[1], length - seen.shape[1]
        pad = torch.nn.functional.pad
        self._ids = torch.cat(
            [pad(self._ids, (mine, 0), value=self.pad_id), pad(ids, (theirs, 0), value=self.pad_id)]
        )
        self._seen = torch.cat([pad(self._seen, (mine, 0)), pad(seen, (theirs, 0))])
        for layer, other in zip(self._cache.layers, cache.layers, strict=True):
            layer.keys = torch.cat(
                [pad(layer.keys, (0, 0, mine, 0)), pad(other.keys, (0, 0, theirs, 0))]
            )
            layer.values = torch.cat(
                [pad(layer.values, (0, 0, mine, 0)), pad(other.values, (0, 0, theirs, 0))]
            )


def _arm(row: Row) -> bool:
    """Base rows sort before tuned ones: the adapter works on one block of rows."""
    return row.tuned
