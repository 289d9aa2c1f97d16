"""How fast and how large a pair is in our engine, beside one row and beside two separate models."""

from __future__ import annotations

import time

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from benchmarks.timing import Line, in_turn, seconds
from mi_arena.decoding import Decoding
from mi_arena.engine.batch import Batch, Row
from mi_arena.engine.loading import LoadedPair, device, load_pair, quantization, tensor_bytes
from mi_arena.pairs import Pair

PROMPT = 200
NEW = 64


def prompt(seed: int, vocabulary: int) -> list[int]:
    return np.random.default_rng(seed).integers(300, vocabulary, PROMPT).tolist()


def rows(pair: LoadedPair, battles: int, arms: tuple[bool, ...], seed: int = 0) -> list[Row]:
    decoding = Decoding(max_new_tokens=NEW, temperature=0)
    vocabulary = pair.model.config.vocab_size
    return [
        Row(prompt(seed + i, vocabulary), tuned, decoding, np.random.default_rng(0))
        for i in range(battles)
        for tuned in arms
    ]


def new_batch(pair: LoadedPair, todo: list[Row]) -> Batch:
    """A batch; of base rows alone one without the adapter, as the base would run by itself."""
    alone = not any(row.tuned for row in todo)
    return Batch(pair.model, pair.mask, pair.chat.pad_id, without_adapter=alone)


def decode(pair: LoadedPair, todo: list[Row]) -> Batch:
    """Prefill and then ``NEW`` ids for every row; ends are ignored, so that work is equal."""
    batch = new_batch(pair, todo)
    batch.admit(todo)
    for _ in range(NEW - 1):
        batch.step()
    return batch


def decode_seconds(pair: LoadedPair, todo: list[Row]) -> float:
    """Seconds of the decoding steps alone, without prefill."""
    batch = new_batch(pair, todo)
    batch.admit(todo)
    began = time.perf_counter()
    for _ in range(NEW - 1):
        batch.step()
    return time.perf_counter() - began


def separate_models(pair: Pair) -> tuple[torch.nn.Module, torch.nn.Module]:
    """What most demos do: the base, and a second base with its adapter, loaded as the pair is."""
    options = quantization(pair) or {"device_map": {"": device()}}

    def load() -> torch.nn.Module:
        return AutoModelForCausalLM.from_pretrained(
            pair.base.path, dtype=getattr(torch, pair.dtype), **options
        ).eval()

    assert pair.adapter is not None
    return load(), PeftModel.from_pretrained(load(), pair.adapter.path).eval()


def generate(model: torch.nn.Module, ids: list[int]) -> None:
    with torch.inference_mode():
        model.generate(
            input_ids=torch.tensor([ids], device=device()),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long, device=device()),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
        )


def engine_lines(pair: Pair, runs: int) -> list[Line]:
    """Every comparison for one pair whose weights lie in folders."""
    loaded = load_pair(pair)
    base, tuned = separate_models(pair)
    ids = prompt(0, loaded.model.config.vocab_size)
    both, alone = (False, True), (False,)
    lines = []

    ours, theirs, ratio = in_turn(
        lambda: decode_seconds(loaded, rows(loaded, 1, both)),
        lambda: decode_seconds(loaded, rows(loaded, 1, alone)),
        runs,
    )
    lines.append(
        Line(
            "decode a pair",
            f"{ours:.3f} s",
            "one base row, same engine",
            f"{theirs:.3f} s",
            ratio,
            "≤ 1.5",
        )
    )

    ours, theirs, ratio = in_turn(
        lambda: seconds(lambda: decode(loaded, rows(loaded, 1, both))),
        lambda: seconds(lambda: (generate(base, ids), generate(tuned, ids))),
        runs,
    )
    lines.append(
        Line(
            "a pair's turn",
            f"{ours:.3f} s",
            "two separate models through generate, one after the other",
            f"{theirs:.3f} s",
            ratio,
            "≤ 0.75",
        )
    )

    weights = tensor_bytes(loaded.model)
    adapter = sum(
        b.numel() * b.element_size()
        for name, b in loaded.model.named_buffers()
        if name.endswith((".a", ".b"))
    )
    pair_bytes = weights + decode(loaded, rows(loaded, 1, both)).tensor_bytes()
    one_bytes = weights - adapter + decode(loaded, rows(loaded, 1, alone)).tensor_bytes()
    two_bytes = (
        tensor_bytes(base)
        + tensor_bytes(tuned)
        + 2 * decode(loaded, rows(loaded, 1, alone)).tensor_bytes()
    )
    mb = 1e6
    lines.append(
        Line(
            "tensors of a pair",
            f"{pair_bytes / mb:.1f} MB",
            "one model with one row",
            f"{one_bytes / mb:.1f} MB",
            pair_bytes / one_bytes,
            "≤ 1.15",
        )
    )
    lines.append(
        Line(
            "tensors of a pair",
            f"{pair_bytes / mb:.1f} MB",
            "two separate models",
            f"{two_bytes / mb:.1f} MB",
            pair_bytes / two_bytes,
        )
    )

    def one_by_one() -> float:
        return seconds(lambda: [decode(loaded, rows(loaded, 1, both, seed)) for seed in range(8)])

    ours, theirs, ratio = in_turn(
        one_by_one, lambda: seconds(lambda: decode(loaded, rows(loaded, 8, both))), runs
    )
    tokens = 16 * NEW
    lines.append(
        Line(
            "throughput, eight battles at once",
            f"{tokens / theirs:.0f} tok/s",
            "one by one",
            f"{tokens / ours:.0f} tok/s",
            ratio,
            "≥ 2",
        )
    )

    def first_token_pair() -> float:
        batch = Batch(loaded.model, loaded.mask, loaded.chat.pad_id)
        return seconds(lambda: batch.admit(rows(loaded, 1, both)))

    def first_tokens_apart() -> float:
        def work() -> None:
            with torch.inference_mode():
                for model in (base, tuned):
                    model(input_ids=torch.tensor([ids], device=device()))

        return seconds(work)

    ours, theirs, ratio = in_turn(first_token_pair, first_tokens_apart, runs)
    lines.append(
        Line(
            "time to first token of both",
            f"{ours * 1000:.0f} ms",
            "two separate models, one after the other",
            f"{theirs * 1000:.0f} ms",
            ratio,
        )
    )
    return lines
