"""A prompt in a file of its own: a version on the first line, then parts that begin at markers.

Knows the form of such a file, not what stands in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

_PART = re.compile(r"^<!-- part: ([a-z-]+) -->$", re.MULTILINE)
_VERSION = re.compile(r"\A<!-- version: (\S+) -->")
_PLACE = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True)
class PromptFile:
    """A version of a prompt. ``sha256`` is that of the whole file."""

    version: str
    sha256: str
    parts: Mapping[str, str]


def load_prompt_file(package: str, name: str) -> PromptFile:
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    version = _VERSION.match(text)
    assert version, f"{name} names no version"
    _, *pieces = _PART.split(text)
    parts = dict(zip(pieces[::2], (piece.strip() for piece in pieces[1::2]), strict=True))
    return PromptFile(version[1], hashlib.sha256(text.encode()).hexdigest(), parts)


def filled(template: str, **values: str) -> str:
    """The template with each ``{name}`` replaced; braces inside of values stay as they are."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), template)
