"""A folder that appears whole or not at all, and replaces only what its maker may replace."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def whole_folder(target: Path, check: Callable[[Path], object]) -> Iterator[Path]:
    """A folder to write into, which takes the target's place when all went well.

    ``check`` raises where what stands in the target's place must stay.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    part, before = (
        target.with_name(f".{target.name}.{what}-{os.getpid()}") for what in ("part", "old")
    )
    _clear_up(target)
    part.mkdir()
    try:
        yield part
        check(target)  # again: it may have changed meanwhile
        if target.exists():
            target.rename(before)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if before.exists() and not target.exists():
            before.rename(target)  # stopped between the two: the old one stays
        shutil.rmtree(before, ignore_errors=True)


def _clear_up(target: Path) -> None:
    """Away with what killed runs left; what they had just moved aside goes back to its place."""
    pattern = re.compile(re.escape(f".{target.name}.") + r"(part|old)-(\d+)")
    for path in sorted(target.parent.glob(f".{target.name}.*")):
        found = pattern.fullmatch(path.name)
        if not found or psutil.pid_exists(int(found[2])):
            continue
        if found[1] == "old" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)
