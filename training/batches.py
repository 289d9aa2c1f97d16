"""Examples to padded batches, grouped by length so that little of a batch is padding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Sampler

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
    """Every index once, in random batches of ``size`` whose members are of similar length.

    A batch that is not full comes last: several devices then share the others evenly.
    """
    random = np.random.default_rng(seed)
    order = [int(i) for i in random.permutation(len(lengths))]
    pool = size * POOL_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        members = sorted(order[start : start + pool], key=lambda i: lengths[i])
        batches += [members[i : i + size] for i in range(0, len(members), size)]
    shuffled = [batches[int(i)] for i in random.permutation(len(batches))]
    return sorted(shuffled, key=lambda batch: len(batch) < size)


class GroupedBatches(Sampler[list[int]]):
    """Batches of ``length_grouped``; their order hangs on the seed and ``epoch`` alone."""

    drop_last = False

    def __init__(self, lengths: Sequence[int], size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, size, seed, 0

    def __iter__(self) -> Iterator[list[int]]:
        return iter(length_grouped(self.lengths, self.batch_size, (self.seed, self.epoch)))

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / self.batch_size)


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


class Padding:
    """Rows of ids and labels to a batch on the CPU, as a trainer's collator."""

    def __init__(self, pad_id: int):
        self.pad_id = pad_id

    def __call__(self, rows: Sequence[Mapping[str, list[int]]]) -> dict[str, torch.Tensor]:
        examples = [Example(row["input_ids"], row["labels"]) for row in rows]
        return vars(collate(examples, self.pad_id, torch.device("cpu")))
