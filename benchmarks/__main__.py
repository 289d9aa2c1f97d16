"""``python -m benchmarks``: one table of ratios, measured in one run.

Every ratio names its baseline, and both sides of it are timed in turn, so that a machine that
drifts drifts for both. Medians over ``--runs``.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from benchmarks.timing import Line, in_turn, seconds
from benchmarks.workspace import workspace_lines
from mi_arena.decoding import Decoding
from mi_arena.engine.batch import Batch, Row
from mi_arena.engine.loading import LoadedPair, load_pair, tensor_bytes
from mi_arena.pairs import Pair, load_registry
from mi_arena.settings import ROOT

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
    """What most demos do: the base, and a second base with its adapter, in fp32."""

    def load() -> torch.nn.Module:
        return AutoModelForCausalLM.from_pretrained(pair.base.path, dtype=torch.float32).eval()

    assert pair.adapter is not None
    return load(), PeftModel.from_pretrained(load(), pair.adapter.path).eval()


def generate(model: torch.nn.Module, ids: list[int]) -> None:
    with torch.inference_mode():
        model.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
        )


def engine_lines(runs: int) -> list[Line]:
    pair = load_registry(ROOT / "models.yaml")["demo"]
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
                    model(input_ids=torch.tensor([ids]))

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def app_start_seconds() -> float:
    """From the command to the page over HTTP."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        environment = os.environ | {"MI_ARENA_PORT": str(port), "MI_ARENA_DATA": data}
        began = time.perf_counter()
        app = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                    return time.perf_counter() - began
                except OSError:
                    if app.poll() is not None:
                        raise RuntimeError("the app ended before it answered") from None
                    time.sleep(0.05)
        finally:
            app.terminate()
            app.wait()


def start_line(runs: int) -> Line:
    def imports() -> float:
        code = "import gradio, torch, transformers"
        return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True))

    ours, theirs, ratio = in_turn(app_start_seconds, imports, runs)
    return Line(
        "app start to its page",
        f"{ours:.1f} s",
        "importing gradio, torch and transformers",
        f"{theirs:.1f} s",
        ratio,
    )


def machine() -> str:
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{os.cpu_count()} CPU cores ({platform.machine()}), {name}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )


def table(lines: list[Line]) -> str:
    head = "| what | ours | baseline | baseline's | ratio | goal |\n|---|---|---|---|---|---|"
    body = [
        f"| {x.what} | {x.ours} | {x.baseline} | {x.theirs} | {x.ratio:.2f} | {x.goal} |"
        for x in lines
    ]
    return "\n".join([head, *body])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each (default 5)")
    parser.add_argument("--out", type=Path, help="also write the table there, as Markdown")
    options = parser.parse_args()
    lines = [
        *engine_lines(options.runs),
        start_line(min(options.runs, 3)),
        *workspace_lines(options.runs),
    ]
    text = (
        "# Benchmarks\n\nWritten by `python -m benchmarks --out docs/benchmarks.md`.\n\n"
        f"Demo pair (rank 8, fp32), prompt {PROMPT} tokens, {NEW} new tokens, greedy, medians of "
        f"{options.runs} runs. A click is the server's part of it, its draft on the disk included."
        f"\nMachine: {machine()}.\n\n{table(lines)}\n"
    )
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
