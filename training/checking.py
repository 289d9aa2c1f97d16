"""What can be known before a fine-tune starts: dialogues, steps, model, memory, and warnings.

The report is a dictionary, as ``--json`` prints it. It holds numbers and ids, never a dialogue's
text. What is refused here is refused by the real start as well, in the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mi_arena.chat_formats import IGNORE, Example
from mi_arena.engine.residency import GB, device_memory, on_gpu
from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.pairs import Source
from training.batches import length_grouped
from training.finetune_data import Data
from training.gpu_kernels import can_fuse
from training.licence_note import licence_note
from training.memory import Batch, estimate
from training.models import context_length
from training.pair_entry import licence_of
from training.starting import Ready, get_ready, mends
from training.step_counts import evaluation_steps, steps_per_epoch

FEW = 100
"""Fewer dialogues than that to learn from are warned of. Our own choice."""
EPOCHS_LOOKED_AT = 5
"""For the share of padding: epochs differ by how they are shuffled, and hardly in that."""
BARS = 20
"""The histogram has about so many."""

Facts = dict[str, Any]


def check(config: FinetuneConfig, devices: int = 1, elsewhere: bool = False) -> Facts:
    """The report on a fine-tune that so many devices share. Raises ``BadInput`` if it can't start.

    ``elsewhere``: on another machine's GPU, of whose memory nothing is known here.

    Loads the tokenizer and reads the data, but no weights.
    """
    ready = get_ready(config, devices, elsewhere)
    facts = {
        "data": _data(config, ready.data),
        "steps": _steps(config, len(ready.data.train), devices),
        "model": _model(config, ready),
        "memory": _memory(config, ready, devices, elsewhere),
    }
    return {"ok": True, "errors": [], "warnings": _warnings(config, facts), **facts}


def refused(reason: str) -> Facts:
    """The report on a fine-tune that can't start."""
    nothing = dict.fromkeys(("data", "steps", "model", "memory"))
    return {"ok": False, "errors": [reason], "warnings": [], **nothing}


def _data(config: FinetuneConfig, data: Data) -> Facts:
    """Counts of what was read; then tokens of one pass over what is learnt from."""
    lengths = [len(example.input_ids) for example in data.train]
    shares = np.percentile(lengths, [50, 90, 99, 100])
    names = ("median", "p90", "p99", "max")
    return {
        **asdict(data.counts),
        "train": len(data.train),
        "validation": len(data.validation),
        "tokens": sum(lengths),
        "target_tokens": sum(map(_targets, data.train)),
        "padding_share": _padding_share(config, lengths),
        "lengths": {name: round(float(at)) for name, at in zip(names, shares, strict=True)},
        "longest": [asdict(size) for size in data.longest],
        "histogram": _histogram(lengths),
    }


def _targets(example: Example) -> int:
    """Tokens with a loss: the first one is never predicted."""
    return sum(label != IGNORE for label in example.labels[1:])


def _padding_share(config: FinetuneConfig, lengths: Sequence[int]) -> float:
    """Of all positions of the batches that the run will really make in its first epochs."""
    positions, looked_at = 0, min(config.epochs, EPOCHS_LOOKED_AT)
    for epoch in range(looked_at):
        batches = length_grouped(lengths, config.batch_dialogues, (config.seed, epoch))
        positions += sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return 1 - looked_at * sum(lengths) / positions


def _histogram(lengths: Sequence[int]) -> list[Facts]:
    """Dialogues by length in tokens, ``from`` included and ``to`` not."""
    longest = max(lengths)
    step = 16 * max(1, round(longest / BARS / 16))
    counts, edges = np.histogram(lengths, np.arange(0, longest + step + 1, step))
    bars = zip(edges, edges[1:], counts, strict=False)
    return [{"from": int(low), "to": int(high), "count": int(n)} for low, high, n in bars]


def _steps(config: FinetuneConfig, dialogues: int, devices: int) -> Facts:
    per_epoch = steps_per_epoch(config, dialogues, devices)
    return {
        "epochs": config.epochs,
        "per_epoch": per_epoch,
        "total": per_epoch * config.epochs,
        # The base itself is measured first.
        "evaluations": 1 + len(evaluation_steps(config, per_epoch)),
        "dialogues_per_step": config.batch_dialogues * config.accumulation * devices,
    }


def _model(config: FinetuneConfig, ready: Ready) -> Facts:
    counts = {True: 0, False: 0}
    for parameter in ready.model.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    on_hub = not Path(config.base).is_dir()
    pinned = not on_hub or Source(repo=config.base, revision=config.revision or "main").pinned
    return {
        "parameters": counts[False],
        "trainable": counts[True],
        "context": context_length(ready.model),
        "licence": licence_of(config.base),
        "revision_pinned": pinned,
        "commit": ready.commit,
    }


def _memory(config: FinetuneConfig, ready: Ready, devices: int, elsewhere: bool) -> Facts:
    """Of one device; ``fits`` is whether the estimate is at most what is free, if that is known."""
    train = ready.data.train
    rows = min(config.batch_dialogues, len(train))
    batch = Batch(
        rows=rows,
        longest=max(len(example.input_ids) for example in train),
        targets=sum(sorted(map(_targets, train), reverse=True)[:rows]),
    )
    gpu = elsewhere or on_gpu()
    found = estimate(
        ready.model,
        ready.weights_bytes,
        config,
        batch,
        gpu=gpu,
        devices=devices,
        fused=can_fuse(ready.model.get_base_model(), gpu and not elsewhere),
    )
    needed = {
        "needed_bytes": found.needed,
        "weights_bytes": found.weights,
        "parts": asdict(found),
    }
    if elsewhere:
        return {"device": None, "available_bytes": None, "total_bytes": None, "fits": None} | needed
    free = device_memory()
    return {
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "available_bytes": free,
        "total_bytes": device_memory(whole=True),
        "fits": found.needed <= free,
    } | needed


def _warnings(config: FinetuneConfig, facts: Facts) -> list[str]:
    """What does not hinder the start and should be seen first."""
    data, model = facts["data"], facts["model"]
    said = [
        (
            not model["revision_pinned"],
            f"base: {config.base} is taken at {config.revision or 'main'}, which may change; set "
            f"revision: {model['commit'] or 'to a commit sha'}",
        ),
        (
            data["left_out_test_split"],
            f"data: {data['left_out_test_split']} dialogues are marked as the test split and are "
            "left out",
        ),
        (
            data["left_out_no_counselor_turn"],
            f"data: {data['left_out_no_counselor_turn']} dialogues have no counsellor turn and "
            "are left out",
        ),
        (
            data["left_out_too_long"],
            f"data: {data['left_out_too_long']} dialogues are left out, since not even their first "
            f"round fits into max_length {config.max_length}",
        ),
        (
            data["cut"],
            f"data: {data['cut']} of {data['used']} dialogues are cut at max_length "
            f"{config.max_length} and lose {data['rounds_cut']} late rounds",
        ),
        (
            data["train"] < FEW,
            f"data: {data['train']} dialogues to learn from are few; the adapter may learn them by "
            "heart",
        ),
        (
            not data["validation"],
            "validation: nothing is held out: no early stop, and the last state is kept",
        ),
    ]
    lines = [line for true, line in said if true]
    lines += [note for note in (_memory_warning(config, facts), licence_note(config.base)) if note]
    return lines


def _memory_warning(config: FinetuneConfig, facts: Facts) -> str | None:
    memory = facts["memory"]
    if memory["fits"] is not False:
        return None
    needed, free, whole = (
        memory[f"{name}_bytes"] / GB for name in ("needed", "available", "total")
    )
    room = f"{free:.2f} GB of {whole:.2f} GB are free on {memory['device']}"
    return f"memory: about {needed:.2f} GB needed, and {room}; {mends(config)}"
