"""An output that grows over several starts of a command: by the same means, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mi_arena.jobs.script import BadInput


def check_same_means(
    run: Path, config: Mapping[str, Any], made_by: Iterable[str], outputs: Iterable[Path]
) -> None:
    """Raises ``BadInput`` where the run directory's config differs in what ``made_by`` names, or
    where an output stands that no run directory tells of."""
    path = run / "config.yaml"
    if not path.exists():
        for file in outputs:
            if file.exists():
                raise BadInput(
                    f"{file}: exists, and nothing in {run} says how it was made: name another "
                    "--out or --run, or move it away"
                )
        return
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        changed = [name for name in made_by if before[name] != config[name]]
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        raise BadInput(f"{path}: cannot be read: name another --out or --run") from None
    if changed:
        raise BadInput(
            f"{run}: was begun with another {changed[0].replace('_', ' ')}: go on with the same, "
            "or name another --out"
        )


def check_out(out: Path, source: Path, what: str) -> None:
    """Raises ``BadInput`` for an ``--out`` that can't be a file of lines beside its source."""
    if out.suffix == ".gz":
        raise BadInput(f"--out: {out} would be plain text: name a file without .gz")
    if out.is_dir() or out.resolve() == source.resolve():
        raise BadInput(f"--out: {out} is a folder or {what}: name another file")
    if out.parent.is_file():
        raise BadInput(f"{out.parent}: is a file: name another --out")
