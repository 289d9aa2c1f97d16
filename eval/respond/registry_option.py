"""The option that says in which files a pair is looked for; light, so that help comes at once."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_models(parser: argparse.ArgumentParser) -> None:
    """``--models``; several are one registry, and none is the project's own."""
    parser.add_argument(
        "--models", type=Path, nargs="+", action="extend", metavar="FILE",
        help="registries (default models.yaml; a fine-tune leaves pair.yaml)",
    )  # fmt: skip
