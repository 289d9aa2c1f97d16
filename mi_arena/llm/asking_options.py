"""Arguments that every script has that asks a model behind an endpoint; knows no script."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from mi_arena.llm.endpoint import OPENAI

SECONDS = 180.0


def whole(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def amount(text: str) -> float:
    """A number from 0."""
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError
    return value


whole.__name__, amount.__name__ = "whole number from 1", "amount"  # as argparse tells them


def add_asking(parser: argparse.ArgumentParser, folder: str) -> None:
    """Where to ask, how many at once, and for how much; ``folder`` names the run directory."""
    add = parser.add_argument
    add("--base-url", metavar="URL", help=f"endpoint (default OPENAI_BASE_URL, else {OPENAI})")
    add("--concurrency", type=whole, default=4, metavar="N", help="requests at once (default 4)")
    add(
        "--max-cost",
        type=amount,
        metavar="USD",
        help="stop before what this run directory has asked, earlier runs included, costs more",
    )
    add(
        "--answers",
        type=Path,
        metavar="FILE",
        help="keep answers there, so that several runs share them (default answers.sqlite in "
        f"{folder}); --max-cost counts what this run directory has asked",
    )
    add("--price-in", type=amount, metavar="USD", help="per million tokens of the request")
    add("--price-out", type=amount, metavar="USD", help="per million tokens of the answer")
    add(
        "--timeout",
        type=amount,
        default=SECONDS,
        metavar="SECONDS",
        help=f"for one request (default {SECONDS:g})",
    )
