"""Where a base model lies: in a folder of this machine, or on the Hub."""

from __future__ import annotations

import re
from pathlib import Path

from mi_arena.jobs.script import BadInput

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def locate(base: str) -> tuple[str, bool]:
    """What to hand to ``from_pretrained``, and whether it is a folder on this machine."""
    folder = Path(base)
    if (folder / "config.json").is_file():
        return str(folder.resolve()), True
    if folder.is_dir():
        raise BadInput(f"base: {base}: this folder holds no model (no config.json in it)")
    if HUB_NAME.fullmatch(base):
        return base, False
    raise BadInput(f"base: {base}: no such folder, and not a Hub name (owner/name) either")
