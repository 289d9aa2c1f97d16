"""Replies as they are made, and those of a run directory, which survive a kill at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mi_arena.jobs.script import BadInput

Key = tuple[str, int, str]
"""Dialogue, round, system."""


@dataclass(frozen=True)
class Reply:
    """What one system said in one round."""

    dialogue_id: str
    round: int
    system: str
    text: str
    end: Literal["stop", "length"]
    """``length``: cut at the most tokens a reply may have."""
    prompt_tokens: int | None
    """``None`` where a server doesn't say."""
    tokens: int | None
    messages_left_out: int = 0
    """Early messages of the history that the context had no room for."""

    @property
    def key(self) -> Key:
        return self.dialogue_id, self.round, self.system


class KeptReplies:
    """The replies of finished batches, a line a batch: a batch is there whole or not at all."""

    def __init__(self, path: Path):
        """Reads what is there; a line that a kill has torn goes. Raises ``BadInput``."""
        self.path = path
        self.by_key: dict[Key, Reply] = {}
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(path, len(whole))
        try:
            for line in whole.splitlines():
                self._take([Reply(**fields) for fields in json.loads(line)])
        except (ValueError, TypeError):
            raise BadInput(
                f"{path}: is damaged: remove it, and its replies are made again"
            ) from None

    def add(self, replies: Sequence[Reply]) -> None:
        """Durable when this returns."""
        line = json.dumps([asdict(reply) for reply in replies], ensure_ascii=False)
        with self.path.open("ab") as out:
            out.write(line.encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
        self._take(replies)

    def _take(self, replies: Sequence[Reply]) -> None:
        self.by_key |= {reply.key: reply for reply in replies}
