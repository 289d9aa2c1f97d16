"""A stretch of events as one immutable file: JSONL, an event whole on each line.

The name is unique, so that no process ever writes over another's: the day, the process that wrote
it (``Boot``) and a number that grows within it. Names sort like the time of writing. Nothing here
knows the Hub.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from mi_arena.publishing.faults import BadShard
from mi_arena.records.events import Event

FOLDER = "events"
SUFFIX = ".jsonl"
"""Not packed: the Hub keeps packed files as large ones, each with requests of its own."""


def boot_id() -> str:
    """A name for this start of the process; sorts like the time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"


@dataclass
class Names:
    """The names of one process's shards. ``next`` never gives a name twice."""

    boot: str = field(default_factory=boot_id)
    given: int = 0

    def next(self) -> str:
        self.given += 1
        return f"{FOLDER}/{datetime.now(UTC):%Y-%m-%d}/{self.boot}-{self.given:06}{SUFFIX}"


def is_shard(path: str) -> bool:
    """Whether a file of the dataset is one of ours."""
    return path.startswith(f"{FOLDER}/") and path.endswith(SUFFIX)


def boot_of(path: str) -> str:
    """Which start of which process wrote a shard."""
    return path.rpartition("/")[2].rpartition("-")[0]


class Shard(NamedTuple):
    """What one file is to hold."""

    ids: list[str]
    content: bytes


def cut(events: Iterable[Event], size: int) -> Iterator[Shard]:
    """The events as shards of about ``size`` bytes at most; a larger event has one of its own."""
    ids: list[str] = []
    lines: list[bytes] = []
    held = 0
    for event in events:
        line = to_bytes([event])
        if ids and held + len(line) > size:
            yield Shard(ids, b"".join(lines))
            ids, lines, held = [], [], 0
        ids.append(event.event_id)
        lines.append(line)
        held += len(line)
    if ids:
        yield Shard(ids, b"".join(lines))


def to_bytes(events: Iterable[Event]) -> bytes:
    """The same events always give the same bytes."""
    return "".join(event.model_dump_json() + "\n" for event in events).encode()


def from_bytes(path: str, content: bytes) -> Iterator[Event]:
    """The events of a shard in their order. Raises ``BadShard`` with its path and line."""
    lines = content.split(b"\n")
    if lines.pop():
        raise BadShard(f"{path}: breaks off in line {len(lines) + 1}")
    for number, line in enumerate(lines, start=1):
        try:
            yield Event.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "line"
            # A key is named by whoever wrote the line: only ours are repeated.
            told = where if where in Event.model_fields else "event"
            raise BadShard(f"{path} line {number}: {told}: {first['type']}") from None
