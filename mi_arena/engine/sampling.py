"""From logits to the next token, for rows that sample each with a seed of their own.

The warping is transformers'; only the draw is ours: one uniform number per row from that row's
own generator, so that a row's text doesn't depend on which other rows share its batch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from mi_arena.decoding import Decoding


@lru_cache(maxsize=32)
def _warpers(decoding: Decoding) -> LogitsProcessorList:
    warpers = LogitsProcessorList()
    if decoding.repetition_penalty != 1:
        warpers.append(RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty))
    if decoding.temperature > 0:
        if decoding.temperature != 1:
            warpers.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_k:
            warpers.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p < 1:
            warpers.append(TopPLogitsWarper(decoding.top_p))
    return warpers


def next_tokens(
    logits: torch.Tensor,
    history: torch.Tensor,
    decoding: Decoding,
    generators: list[np.random.Generator],
) -> torch.Tensor:
    """The next id of each row, shape (rows,).

    ``logits``: (rows, vocabulary). ``history``: ids so far, (rows, length), for the repetition
    penalty; its padding must hold an id that is never generated. ``generators``: one a row.
    """
    scores = _warpers(decoding)(history, logits.float())
    if decoding.temperature == 0:
        return scores.argmax(-1)
    # Inverse transform sampling in double precision: the last bin of a float32 sum over 150,000
    # entries can fall short of the uniform number.
    cumulative = scores.double().softmax(-1).cumsum(-1)
    draws = torch.tensor([g.random() for g in generators], dtype=torch.float64)
    wanted = draws.to(cumulative.device).unsqueeze(-1) * cumulative[:, -1:]
    return (
        torch.searchsorted(cumulative, wanted, right=True)
        .squeeze(-1)
        .clamp_max(logits.shape[-1] - 1)
    )
