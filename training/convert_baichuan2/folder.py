"""The folders that a conversion makes, and ``source.json``, which says what each was made from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mi_arena.jobs.script import BadInput

FORMAT = "mi-arena-baichuan2-llama/1"
ADAPTER_FORMAT = "mi-arena-baichuan2-adapter/1"
RECORD = "source.json"
SHA = re.compile(r"[0-9a-f]{40}")
AT_ONCE = 1 << 24


def check_target(folder: Path, said: str, form: str) -> dict[str, Any] | None:
    """The record of an earlier conversion there, or ``None`` where there is nothing.

    Raises ``BadInput`` where something else stands there. ``said`` is what the user called it.
    """
    if not os.path.lexists(folder):
        return None
    if not folder.is_dir() or folder.is_symlink():
        raise BadInput(f"{said} {folder}: is no folder; name a new one or an earlier conversion")
    if not any(folder.iterdir()):
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict) or record.get("format") != form:
        raise BadInput(f"{said} {folder}: holds other files than a conversion; name another folder")
    return record


def stands(folder: Path, record: dict[str, Any]) -> bool:
    """Whether the files that the record names are there, whole by their size."""
    files = record.get("files")
    return isinstance(files, dict) and all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in files.items()
    )


def commit_of(folder: Path) -> str | None:
    """The Hub commit that a downloaded folder is at, as huggingface_hub notes it."""
    real = folder.resolve()
    if real.parent.name == "snapshots" and SHA.fullmatch(real.name):
        return real.name
    noted = real / ".cache" / "huggingface" / "download" / "config.json.metadata"
    try:
        first = noted.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError):
        return None
    return first if SHA.fullmatch(first) else None


def file_sha256(path: Path, read: Callable[[int], None] = lambda size: None) -> str:
    """Of a file of any size; ``read`` is told how many bytes each step took."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(AT_ONCE):
            digest.update(piece)
            read(len(piece))
    return digest.hexdigest()


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
