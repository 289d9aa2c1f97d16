"""The name under which a file of this machine may be spoken of elsewhere."""

from __future__ import annotations

from pathlib import Path


def public_name(place: str) -> str:
    """A name for a shipped file: relative to the working directory, and never a path of this
    machine."""
    path = Path(place)
    if not path.is_absolute():
        return path.as_posix() if ".." not in path.parts else path.resolve().name
    working = Path.cwd()
    return path.relative_to(working).as_posix() if path.is_relative_to(working) else path.name
