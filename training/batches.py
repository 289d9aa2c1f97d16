"""Examples to padded batches, grouped by length so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mi_arena.chat_formats import IGNORE, Example

POOL_BATCHES = 8
"""Lengths are sorted within pools of so many batches: order stays random, padding stays small."""


@dataclass(frozen=True)
class Batch:
    """Tensors of shape (rows, longest), padded on the right; labels are not shifted."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor


def length_grouped(lengths: Sequence[int], size: int, seed: Sequence[int]) -> list[list[int]]:
    """Every index once, in random batches of ``size`` whose members are of similar length."""
    random = np.random.default_rng(seed)
    order = [int(i) for i in random.permutation(len(lengths))]
    pool = size * POOL_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        members = sorted(order[start : start + pool], key=lambda i: lengths[i])
        batches += [members[i : i + size] for i in range(0, len(members), size)]
    return [batches[int(i)] for i in random.permutation(len(batches))]


def collate(examples: Sequence[Example], pad_id: int, device: torch.device) -> Batch:
    """One batch of the given examples, in their order."""
    longest = max(len(example.input_ids) for example in examples)
    shape = (len(examples), longest)
    ids = torch.full(shape, pad_id, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORE, dtype=torch.long)
    for row, example in enumerate(examples):
        length = len(example.input_ids)
        ids[row, :length] = torch.tensor(example.input_ids)
        mask[row, :length] = 1
        labels[row, :length] = torch.tensor(example.labels)
    return Batch(ids.to(device), mask.to(device), labels.to(device))
