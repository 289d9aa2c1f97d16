"""How many optimiser steps a fine-tune takes, and after which of them it evaluates."""

from __future__ import annotations

import math

from mi_arena.jobs.finetune_config import FinetuneConfig


def steps_per_epoch(config: FinetuneConfig, dialogues: int, devices: int) -> int:
    """Optimiser steps in a pass over so many dialogues."""
    batches = math.ceil(math.ceil(dialogues / config.batch_dialogues) / devices)
    return math.ceil(batches / config.accumulation)


def evaluation_steps(config: FinetuneConfig, per_epoch: int) -> set[int]:
    """The steps after which to evaluate; the end of each epoch is always one of them."""
    often = min(config.evaluations_per_epoch, per_epoch)
    return {
        epoch * per_epoch + round(part * per_epoch / often)
        for epoch in range(config.epochs)
        for part in range(1, often + 1)
    }
