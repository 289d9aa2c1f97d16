"""``python -m training.safety_network``: one of the networks of ``mi_arena.safety.reading``.

It starts from the sentence encoder (``training.sentence_encoder`` says where that is from) and
learns from the labelled lines in ``training/safety_lines`` and from everyday turns, which are taken
as harmless. ``--seed`` makes one that errs elsewhere than its sisters. On a core with AMX an epoch
takes some six minutes. ``training.safety_thresholds`` puts networks together.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from mi_arena.safety.categories import SPEAKERS
from mi_arena.safety.reading import (
    UNKNOWN,
    Embeddings,
    Network,
    batch,
    packed,
    pieces_of,
    read_embeddings,
    unpacked,
)
from mi_arena.settings import ROOT
from training.safety_data import LINES, Example, everyday, repeated, shown
from training.sentence_encoder import starting_network

VOCABULARY = ROOT / "mi_arena" / "safety" / "network"
TOKENS = 4096
"""Of a batch, with padding."""
DROPOUT = 0.3
UNSEEN = 0.05
"""Share of tokens that are shown as unknown ones."""
SMOOTHING = 0.02
WARM_UP = 0.1
CUT = 1.0
"""Norm that gradients are cut to."""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.safety_network",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lines", type=Path, default=LINES, help="folder of labelled lines")
    parser.add_argument(
        "--everyday", type=Path, nargs="*", default=[], help="dialogues whose turns are harmless"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rate", type=float, default=4e-4, help="the highest learning rate")
    parser.add_argument("--decay", type=float, default=0.05, help="weight decay")
    parser.add_argument("--go-on", type=Path, help="a network that learnt already")
    parser.add_argument("--out", type=Path, required=True, help="a .npz file")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    files = sorted(options.lines.glob("*.jsonl"))
    lines = repeated(files)
    usual = [
        one for path in options.everyday for speaker in SPEAKERS for one in everyday(path, speaker)
    ]
    print(f"{len(lines)} lines, {len(usual)} everyday turns", flush=True)
    torch.manual_seed(options.seed)
    network = starting_network(DROPOUT)
    if options.go_on:
        with np.load(options.go_on, allow_pickle=False) as kept:
            network.load_state_dict(unpacked(dict(kept)).state_dict())
    learn(network, lines, usual, options.seed, options.epochs, options.rate, options.decay)
    np.savez_compressed(options.out, allow_pickle=False, **packed(network))
    return 0


def learn(
    network: Network,
    lines: Sequence[Example],
    usual: Sequence[Example],
    seed: int,
    epochs: int,
    rate: float,
    decay: float,
) -> list[float]:
    """Teaches the network; gives the loss of every epoch, and prints it."""
    network.train()
    tokenizer = Tokenizer.from_file(str(VOCABULARY / "tokenizer.json"))
    embeddings = read_embeddings(VOCABULARY / "embeddings.npz")
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    plan = [
        list(batches(tokenizer, list(shown(lines, usual, seed, epoch)), seed))
        for epoch in range(epochs)
    ]
    steps = sum(len(epoch) for epoch in plan)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, steps))
    began, losses = time.monotonic(), []
    for number, epoch in enumerate(plan, 1):
        told = 0.0
        for rows, examples in epoch:
            loss = loss_of(network, embeddings, rows, examples)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), CUT)
            optimizer.step()
            schedule.step()
            told += loss.item() / len(epoch)
        losses.append(told)
        print(f"epoch {number}: loss {told:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    network.eval()
    return losses


def _share(step: int, steps: int) -> float:
    """Of the highest rate: up in a line, down along a cosine."""
    rising = max(1, int(WARM_UP * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / max(1, steps - rising))


def batches(
    tokenizer: Tokenizer, examples: Sequence[Example], seed: int
) -> Iterator[tuple[list[list[int]], list[Example]]]:
    """Of texts of like length, in random order."""
    chance = random.Random(seed)
    rows = [(pieces_of(tokenizer, one.text), one) for one in examples]
    rows.sort(key=lambda row: (len(row[0]), chance.random()))
    made, start = [], 0
    while start < len(rows):
        size = max(1, TOKENS // len(rows[min(start + 31, len(rows) - 1)][0]))
        made.append(rows[start : start + size])
        start += size
    chance.shuffle(made)
    for some in made:
        yield (
            [[p if chance.random() > UNSEEN else UNKNOWN for p in pieces] for pieces, _ in some],
            [one for _, one in some],
        )


def loss_of(
    network: Network, embeddings: Embeddings, rows: list[list[int]], examples: list[Example]
) -> Tensor:
    pieces, there = batch(rows)
    fast = torch.cpu._is_amx_tile_supported()
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        logits = network(embeddings.of(pieces), there)
    total = torch.zeros(())
    for speaker in SPEAKERS:
        own = [number for number, one in enumerate(examples) if one.speaker == speaker]
        if own:
            kinds = torch.tensor([examples[number].kind for number in own])
            total = total + functional.cross_entropy(
                logits[speaker][own].float(), kinds, reduction="sum", label_smoothing=SMOOTHING
            )
    return total / len(examples)


if __name__ == "__main__":
    raise SystemExit(main())
