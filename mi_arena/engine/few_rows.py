"""Linear layers for few rows on a CPU: what the decoding steps of some battles are made of.

``x Wᵀ`` with few rows runs on one core; written as ``(W xᵀ)ᵀ`` the rows of ``W`` are split over all
cores. Measured on two cores with the demo pair: a step of two or four rows in about half the time,
of sixteen in the same.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import linear

FEW = 16
WIDE = 512
"""Inputs or outputs from which it is worth it; narrow layers win nothing."""


def linear_for_few_rows(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """``torch.nn.functional.linear`` for ``x`` of shape (rows, length, inputs)."""
    if x.shape[0] * x.shape[1] > FEW or bias is not None:
        return linear(x, weight, bias)
    y = torch.mm(weight, x.flatten(0, 1).t()).t().contiguous()
    return y.view(x.shape[0], x.shape[1], -1)


def worth_it(layer: nn.Module) -> bool:
    """Whether a layer is a plain one on a CPU and wide enough."""
    return (
        type(layer) is nn.Linear
        and layer.weight.device.type == "cpu"
        and max(layer.weight.shape) >= WIDE
    )


class LinearForFewRows(nn.Module):
    """A linear layer that takes the quicker way for a few rows; for the output layer."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.weight, self.bias = base.weight, base.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return linear_for_few_rows(x, self.weight, self.bias)
