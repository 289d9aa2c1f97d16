"""Rows that go on from different points of shared texts, decoded together.

The ten prompts of a dialogue of ten rounds are beginnings of its longest one. That text, the
trunk, is computed and held once; a row keeps only what it adds, and looks at both. Rows that share
nothing, and that come and go, are ``batch``'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from mi_arena.engine.batch import Row
from mi_arena.engine.growing_cache import GrowingLayer, growing_cache
from mi_arena.engine.masked_lora import RowMask
from mi_arena.engine.protocol import EngineError
from mi_arena.engine.sampling import next_tokens

ATTENTION = "mi_arena_branches"
"""The name by which transformers knows the attention of this file."""


class Trunks:
    """Keys and values of the shared texts, and which part of them each row sees.

    A row's *seat* is its place when every trunk has as many rows as the one with the most.
    """

    def __init__(self, keys: list[torch.Tensor], values: list[torch.Tensor]):
        """One tensor a layer, (trunks, key heads, length, width), padded on the right."""
        self._keys, self._values = keys, values

    def seat(self, seen: Sequence[Sequence[int]]) -> None:
        """``seen[i]``: for each row of trunk ``i``, how many of its positions the row sees.

        Trunks without rows are let go, and the next call counts without them.
        """
        device = self._keys[0].device
        longest = max(max(rows) for rows in seen if rows)
        stay = torch.tensor([i for i, rows in enumerate(seen) if rows], device=device)
        if len(stay) < len(seen):
            self._keys = [keys[stay] for keys in self._keys]
            self._values = [values[stay] for values in self._values]
        self._length = longest
        groups = [rows for rows in seen if rows]
        self._most = max(map(len, groups))
        self._seats = torch.tensor(
            [i * self._most + j for i, rows in enumerate(groups) for j in range(len(rows))],
            device=device,
        )
        lengths = torch.tensor([length for rows in groups for length in rows], device=device)
        unseen = torch.arange(longest, device=device) >= lengths[:, None]
        self._unseen = unseen[:, None, None]

    def scores(self, query: torch.Tensor, layer: int) -> torch.Tensor:
        """(rows, key heads, queries, width) to (rows, key heads, queries, length); -inf unseen."""
        keys = self._keys[layer][:, :, : self._length]
        found = self._rows(self._trunks(query) @ keys.transpose(-1, -2), query.shape[2])
        return found.masked_fill_(self._unseen, float("-inf"))

    def weighted(self, weights: torch.Tensor, layer: int) -> torch.Tensor:
        """(rows, key heads, queries, length) to (rows, key heads, queries, width)."""
        values = self._values[layer][:, :, : self._length]
        return self._rows(self._trunks(weights) @ values, weights.shape[2])

    def _trunks(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, heads, queries, n) to (trunks, heads, seats of a trunk × queries, n)."""
        _, heads, queries, n = rows.shape
        trunks = self._keys[0].shape[0]
        seats = rows.new_zeros(trunks * self._most, heads, queries, n)
        seats[self._seats] = rows
        by_trunk = seats.view(trunks, self._most, heads, queries, n).transpose(1, 2)
        return by_trunk.reshape(trunks, heads, self._most * queries, n)

    def _rows(self, by_trunk: torch.Tensor, queries: int) -> torch.Tensor:
        """The way back."""
        trunks, heads, _, n = by_trunk.shape
        seats = by_trunk.view(trunks, heads, self._most, queries, n).transpose(1, 2)
        return seats.reshape(trunks * self._most, heads, queries, n)[self._seats]


def branch_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    trunks: Trunks | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """A row's one query over what it sees of its trunk and over its own keys.

    ``query`` (rows, heads, 1, width); ``key``, ``value`` (rows, key heads, own length, width).
    Without ``trunks`` it is transformers' own attention.
    """
    if trunks is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
    rows, heads, _, width = query.shape
    # Heads that share a key head are queries of it.
    asked = (query * scaling).view(rows, key.shape[1], -1, width)
    shared = trunks.scores(asked, module.layer_idx)
    scores = torch.cat([shared, asked @ key.transpose(-1, -2)], dim=-1)
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    cut = shared.shape[-1]
    found = trunks.weighted(weights[..., :cut], module.layer_idx) + weights[..., cut:] @ value
    return found.view(rows, 1, heads, width), None


AttentionInterface.register(ATTENTION, branch_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


class Branches:
    """Rows in groups, the prompts of a group being beginnings of its longest one.

    All rows start at once and take an id a step until they are let go. They share one decoding.
    Not thread-safe: one thread owns the model meanwhile.
    """

    @torch.inference_mode()
    def __init__(
        self,
        model: PreTrainedModel,
        mask: RowMask,
        pad_id: int,
        groups: Sequence[Sequence[Row]],
    ):
        """Computes the trunks. The rows of a group are of one arm.

        Raises ``EngineError`` for a model whose layers don't see the whole text.
        """
        self.model, self.mask, self.device = model, mask, model.device
        if model.config._attn_implementation != ATTENTION:
            model.set_attn_implementation(ATTENTION)
        self._groups = sorted(map(list, groups), key=lambda group: group[0].tuned)
        self._trunks = self._grown(pad_id)
        self._own = growing_cache(model.config)
        longest = max(len(row.prompt) for row in self.rows)
        # For the repetition penalty, to which an id that stands there anyway is no padding.
        ids = [row.prompt[:1] * (longest - len(row.prompt)) + row.prompt for row in self.rows]
        self._ids = torch.tensor(ids, device=self.device)
        self._seat()

    @property
    def rows(self) -> list[Row]:
        """Those that go on, the base's first."""
        return [row for group in self._groups for row in group]

    @torch.inference_mode()
    def step(self) -> None:
        """One more id for every row, in one forward pass."""
        rows = self.rows
        self.mask.set([row.tuned for row in rows])
        places = [[len(row.prompt) + len(row.new) - 1] for row in rows]
        logits = self.model(
            input_ids=self._ids[:, -1:],
            position_ids=torch.tensor(places, device=self.device),
            cache=self._own,
            use_cache=True,
            trunks=self._trunks,
        ).logits[:, -1]
        generators = [row.generator for row in rows]
        chosen = next_tokens(logits, self._ids, rows[0].decoding, generators)
        self._ids = torch.cat([self._ids, chosen[:, None]], dim=1)
        for row, token in zip(rows, chosen.tolist(), strict=True):
            row.new.append(token)

    @torch.inference_mode()
    def let_go(self, ended: Sequence[Row]) -> None:
        """These rows leave, and trunks that nobody goes on from."""
        if not ended:
            return
        leaving = {id(row) for row in ended}
        index = [i for i, row in enumerate(self.rows) if id(row) not in leaving]
        self._groups = [[row for row in group if id(row) not in leaving] for group in self._groups]
        if not index:
            return
        at = torch.tensor(index, device=self.device)
        self._ids = self._ids[at]
        for layer in self._own.layers:
            layer.keys, layer.values = layer.keys[at], layer.values[at]
        self._seat()

    # ---- inside

    def _grown(self, pad_id: int) -> Trunks:
        """Of each group the longest prompt, without its last id: that one is the row's first."""
        texts = [max((row.prompt for row in group), key=len)[:-1] for group in self._groups]
        longest = max(map(len, texts))
        # Padding on the right: no position of a text sees what comes after it.
        ids = [text + [pad_id] * (longest - len(text)) for text in texts]
        cache = growing_cache(self.model.config)
        layers = [layer for layer in cache.layers if isinstance(layer, GrowingLayer)]
        if len(layers) < len(cache.layers):
            raise EngineError(
                "not all layers of the model see the whole text; that can't be shared"
            )
        self.mask.set([group[0].tuned for group in self._groups])
        self.model(
            input_ids=torch.tensor(ids, device=self.device),
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return Trunks([layer.keys for layer in layers], [layer.values for layer in layers])

    def _seat(self) -> None:
        self._trunks.seat([[len(row.prompt) - 1 for row in group] for group in self._groups])
        self._groups = [group for group in self._groups if group]
