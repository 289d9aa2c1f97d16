"""What a report is made of: parts with paragraphs, tables and plots. Knows no file or format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Paragraph:
    text: str
    strong: bool = False
    """A caution that must not be passed over."""


@dataclass(frozen=True)
class Heading:
    """Below a part's own."""

    text: str


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; ``notes`` say how the numbers were made, or why some are missing."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Plot:
    """``name`` is that of its file, without ending; ``shows`` is for who can't see it."""

    name: str
    shows: str
    png: bytes


Block = Paragraph | Heading | Table | Plot


@dataclass(frozen=True)
class Part:
    """One part of the report: what programs read, what people read, and its tables as CSV."""

    key: str
    title: str
    data: Any
    """Plain JSON values; a number that is ``None`` has its ``reason`` beside it."""
    blocks: Sequence[Block]
    tables: Mapping[str, str] = field(default_factory=dict)
    """CSV texts by file name."""


def absent(key: str, title: str, reason: str) -> Part:
    """A part that nothing was given for."""
    return Part(key, title, {"value": None, "reason": reason}, [Paragraph(reason)])
