"""Ids of a release: keyed hashes of the records' own, so that none leads to a private row.

The same in every release under one secret: whoever holds an older copy can tell what is gone.
"""

from __future__ import annotations

from typing import Literal, overload

from mi_arena.access.keyed import keyed_by

LENGTH = 16
"""Hex digits: 64 bits."""
What = Literal["rater", "battle", "match", "dialogue", "judgement", "coding"]


class Pseudonyms:
    """Under the study's secret, each kind of id for itself."""

    def __init__(self, secret: bytes):
        self._keyed = keyed_by(secret)

    @overload
    def of(self, what: What, id_: str) -> str: ...
    @overload
    def of(self, what: What, id_: str | None) -> str | None: ...
    def of(self, what: What, id_: str | None) -> str | None:
        """The id in the release; ``None`` stays ``None``."""
        return None if id_ is None else self._keyed(f"release-{what}", id_)[:LENGTH]
