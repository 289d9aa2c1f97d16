"""The project's scripts: which there are, and what some of them need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

HOUSES = ("training", "eval")
NEEDED_SECRETS: Mapping[str, Collection[str]] = {
    "training.finetune": ("HF_TOKEN",),
    "training.on_hub": ("HF_TOKEN",),
    "training.split": ("HF_TOKEN",),
    "mi_arena.release": ("HF_TOKEN", "MI_ARENA_SECRET"),
    "eval.respond": ("HF_TOKEN",),
    "eval.simulate": ("HF_TOKEN",),
    "eval.report": ("HF_TOKEN",),
}
"""By script: gated bases, what is uploaded, rented machines, the ids of a release. No other gets a
secret."""
ON_SEVERAL_GPUS = frozenset({"training.finetune"})
"""Scripts that share their work out when they are started once for each GPU."""


def project_scripts(root: Path) -> frozenset[str]:
    """Every module of the project at ``root`` that ``python -m`` can run as a script."""
    files = [file for house in HOUSES for file in (root / house).rglob("*.py")]
    return frozenset(_module(file.relative_to(root)) for file in files if _is_script(file))


def _is_script(file: Path) -> bool:
    return file.name == "__main__.py" or '__name__ == "__main__"' in file.read_text("utf-8")


def _module(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__main__" else parts)
