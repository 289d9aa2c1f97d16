"""The folder that a run may take: a new one, or one of its own script's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from mi_arena.jobs.script import BadInput

CONFIG_NAME = "config.yaml"


def check_folder(folder: Path, script: str) -> None:
    """Raises ``BadInput`` where another script's run would be written over."""
    try:
        config = yaml.safe_load((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        config = None
    if not isinstance(config, Mapping) or config.get("script") != script:
        raise BadInput(f"--out {folder}: holds the run of another script; name another folder")
