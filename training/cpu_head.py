"""The language-model head on a CPU: logits at the learnt positions alone.

TRL's fused head scores every position where there is no Triton, the client's turns and the padding
too, and computes each tile twice; on a CPU that takes longer than the rest of a small model.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel
from trl.trainer.utils import FusedCausalLMOutput

from mi_arena.chat_formats import IGNORE


def score_learnt_positions(model: PreTrainedModel) -> None:
    """Answer ``model(..., labels=…, fused_lm_head=True)`` as TRL's head does: log-probabilities.

    Put on a base model that has TRL's head already; every other call goes on to that.
    """
    others = model.forward

    def forward(
        self: Any,
        *args: Any,
        fused_lm_head: bool = False,
        labels: torch.Tensor | None = None,
        num_items_in_batch: Any = None,
        **kwargs: Any,
    ) -> Any:
        if not fused_lm_head:
            given = {"labels": labels, "num_items_in_batch": num_items_in_batch}
            return others(*args, **{k: v for k, v in given.items() if v is not None}, **kwargs)
        assert labels is not None
        hidden = self.base_model(*args, **kwargs).last_hidden_state[:, :-1]
        targets = labels[:, 1:]
        mask = targets != IGNORE
        logits = self.get_output_embeddings()(hidden[mask]).float()
        nats = functional.cross_entropy(logits, targets[mask], reduction="none")
        log_probs = torch.zeros(mask.shape).masked_scatter(mask, -nats)
        return FusedCausalLMOutput(
            loss=-log_probs.sum() / mask.sum().clamp(min=1),
            log_probs=log_probs,
            label_mask=mask,
        )

    # ``generate`` reads the signature: the model's own stays the one that is seen.
    forward.__wrapped__ = type(model).forward  # type: ignore[attr-defined]
    model.forward = types.MethodType(forward, model)
