"""``python -m benchmarks``: one table of ratios, measured in one run.

Every ratio names its baseline, and both sides of it are timed in turn, so that a machine that
drifts drifts for both. Medians over ``--runs``.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from benchmarks.app_start import start_line
from benchmarks.engine import NEW, PROMPT, engine_lines
from benchmarks.large_pair import EIGHT_B, write_pair
from benchmarks.page import page_lines
from benchmarks.preparation import preparation_line
from benchmarks.responding import responding_line
from benchmarks.safety import safety_line
from benchmarks.scoring import scoring_lines
from benchmarks.timing import Line
from benchmarks.training import (
    LARGE_DIALOGUES,
    SMALL_BATCH,
    SMALL_DIALOGUES,
    large_training_lines,
    training_lines,
)
from benchmarks.workspace import workspace_lines
from mi_arena.pairs import load_registry
from mi_arena.settings import ROOT

PARTS = ["serving", "training"]


def machine() -> str:
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{os.cpu_count()} CPU cores ({platform.machine()}), {name}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )


def ratio(line: Line) -> str:
    spread = f" ({line.spread[0]:.2f}–{line.spread[1]:.2f})" if line.spread else ""
    return f"{line.ratio:.2f}{spread}"


def table(lines: list[Line]) -> str:
    head = "| what | ours | baseline | baseline's | ratio | goal |\n|---|---|---|---|---|---|"
    body = [
        f"| {x.what} | {x.ours} | {x.baseline} | {x.theirs} | {ratio(x)} | {x.goal} |"
        for x in lines
    ]
    return "\n".join([head, *body])


def demo_report(runs: int) -> str:
    demo = load_registry(ROOT / "models.yaml")["demo"]
    lines = [
        *engine_lines(demo, runs),
        responding_line(demo, runs),
        start_line(min(runs, 3)),
        *workspace_lines(runs),
        *page_lines(runs),
        safety_line(runs),
        *scoring_lines(runs),
        *training_lines(min(runs, 3)),
        preparation_line(runs),
    ]
    return (
        "# Benchmarks\n\nWritten by `python -m benchmarks --out docs/benchmarks.md`.\n\n"
        f"Demo pair (rank 8, fp32), prompt {PROMPT} tokens, {NEW} new tokens, greedy, medians of "
        f"{runs} runs. A click is the server's part of it, its draft on the disk included. "
        f"Training is one pass over {SMALL_DIALOGUES} dialogues in batches of {SMALL_BATCH}, three "
        f"times at most; in brackets the lowest and highest ratio of a run.\n"
        f"Machine: {machine()}.\n\n{table(lines)}\n"
    )


def fused_words() -> str:
    if not find_spec("liger_kernel"):
        return "without liger-kernel"
    return f"ours with liger-kernel {version('liger_kernel')}"


def large_report(runs: int, parts: list[str]) -> str:
    """The same comparisons for an 8B-shaped pair, plain and in 4 bits, and its training."""
    said = [
        "# Benchmarks with a large pair\n\nWritten by `python -m benchmarks --large --out "
        "docs/benchmarks-large.md`.\n\nA pair of Llama-3-8B's shape with random weights and an "
        f"adapter of rank 8, prompt {PROMPT} tokens, {NEW} new tokens, greedy, medians of {runs} "
        f"runs.\nMachine: {machine()}.\n"
    ]
    if "serving" in parts:
        with tempfile.TemporaryDirectory() as folder:
            pair = write_pair(Path(folder), EIGHT_B)
            for title, bits in (("bf16", "none"), ("4-bit NF4, bf16 arithmetic", "4bit")):
                lines = engine_lines(pair.model_copy(update={"quantization": bits}), runs)
                said.append(f"\n## {title}\n\n{table(lines)}\n")
                print(said[-1], flush=True)
    if "training" in parts:
        said.append(
            "\n## Training\n\nThe recipe for 80 GB, one pass over "
            f"{LARGE_DIALOGUES} dialogues, {fused_words()}; in brackets the lowest and highest "
            "ratio of a run.\n\n"
            f"{table(large_training_lines(min(runs, 3)))}\n"
        )
    return "".join(said)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each (default 5)")
    parser.add_argument("--out", type=Path, help="also write the table there, as Markdown")
    parser.add_argument(
        "--large",
        action="store_true",
        help="an 8B-shaped pair instead; needs a GPU of 60 GB and bitsandbytes",
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="with --large: of what (default all)",
    )
    options = parser.parse_args()
    if options.large and not torch.cuda.is_available():
        parser.error("--large needs a GPU")
    runs = options.runs
    text = large_report(runs, options.parts) if options.large else demo_report(runs)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
