"""The folder that a fine-tune's adapter goes to, and what may be replaced there."""

from __future__ import annotations

from pathlib import Path

from mi_arena.jobs.script import BadInput

MERGED = "-merged"
"""After the adapter's folder, that of base and adapter as one model."""


def check_output(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than an adapter."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"output: {folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "adapter_config.json").exists():
        raise BadInput(f"output: {folder}: holds other files than an adapter; name another folder")
