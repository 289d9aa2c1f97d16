"""What may be seen of replies that are still being written: checked sentence pieces, in step.

Both sides show as many pieces as both have finished, so neither speed nor a check tells one from
the other. A piece is shown only after everything up to its end was looked through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mi_arena.engine.protocol import ARMS, Arm, Snapshot
from mi_arena.safety.check import findings_in
from mi_arena.safety.patterns import Finding

_SENTENCE_END = re.compile(r"""(?:[。！？!?…\n]+|\.(?=\s))["'”’」』）)]*""")
_CLAUSE_END = re.compile(r"[，,；;：:、]|\s")
LONG = 80
"""Characters without a sentence's end after which a clause's end will do."""


def piece_ends(text: str, ended: bool) -> list[int]:
    """Where the finished pieces of a text end; the last end of one that has ended is its length."""
    ends: list[int] = []
    start = 0
    while start < len(text):
        found = _SENTENCE_END.search(text, start)
        end = found.end() if found else None
        if (end or len(text)) - start > LONG:
            clause = _CLAUSE_END.search(text, start + LONG, end or len(text))
            end = clause.end() if clause else end
        if end is None:
            break
        ends.append(end)
        start = end
    if ended and start < len(text):
        ends.append(len(text))
    return ends


class Release:
    """The pieces released of one turn. One thread takes, any number read ``texts``."""

    def __init__(self) -> None:
        self.texts: Mapping[Arm, str] = dict.fromkeys(ARMS, "")
        """What may be shown; replaced as a whole, so both sides are always of one moment."""

    def take(self, snapshot: Snapshot) -> tuple[Arm, list[Finding]] | None:
        """Release what both arms have finished, or say what was found, and then show nothing."""
        ends = {arm: piece_ends(snapshot.text[arm], _has_ended(snapshot, arm)) for arm in ARMS}
        going = [len(ends[arm]) for arm in ARMS if not _has_ended(snapshot, arm)]
        pieces = min(going, default=max(len(one) for one in ends.values()))
        texts = {arm: snapshot.text[arm][: _end(ends[arm], pieces)] for arm in ARMS}
        grown = [arm for arm in ARMS if texts[arm] != self.texts[arm]]
        looked_at = findings_in([texts[arm] for arm in grown], "model")
        for arm, found in zip(grown, looked_at, strict=True):
            if found:
                self.withhold()
                return arm, found
        self.texts = texts
        return None

    def withhold(self) -> None:
        """Show nothing of either side."""
        self.texts = dict.fromkeys(ARMS, "")


def _has_ended(snapshot: Snapshot, arm: Arm) -> bool:
    return snapshot.done or snapshot.ended[arm] is not None


def _end(ends: list[int], pieces: int) -> int:
    shown = min(pieces, len(ends))
    return ends[shown - 1] if shown else 0
