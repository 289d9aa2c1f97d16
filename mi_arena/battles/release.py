"""What of two growing replies may be shown: whole sentences, looked at first, both sides in step.

A sentence of one side waits for the other side's as long as that is still coming. So neither speed
nor checking tells which side is which, and nothing harmful is on the page before it is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mi_arena.engine.protocol import ARMS, Arm
from mi_arena.safety.patterns import Finding

LONGEST = 80
"""Characters after which a sentence that does not end is cut where it pauses."""
_END = re.compile(r"[。！？!?；;…\n]+[\"”’』」）)]*|(?<=[A-Za-z)\"])\.(?=\s)")
_PAUSE = re.compile(r"[，,、：:\s]")


def pieces(text: str, *, ended: bool) -> list[int]:
    """Where the pieces of a text end that can be shown one by one; without its unfinished rest,
    unless it has ``ended``."""
    ends: list[int] = []
    for found in _END.finditer(text):
        _cut_long(text, ends, found.end())
        ends.append(found.end())
    _cut_long(text, ends, len(text))
    if ended and text and (not ends or ends[-1] < len(text)):
        ends.append(len(text))
    return ends


def _cut_long(text: str, ends: list[int], until: int) -> None:
    """Pauses between the last end and ``until``, where it is far."""
    while until - (begin := ends[-1] if ends else 0) > LONGEST:
        pauses = [found.end() for found in _PAUSE.finditer(text, begin + 1, begin + LONGEST)]
        ends.append(pauses[-1] if pauses else begin + LONGEST)


@dataclass
class Release:
    """Of one turn. ``check`` looks at a reply as far as it has come."""

    check: Callable[[str], list[Finding]]
    shown: dict[Arm, int] = field(default_factory=lambda: dict.fromkeys(ARMS, 0))
    """Characters of each reply that may be shown; they only grow."""
    whole: dict[Arm, bool] = field(default_factory=lambda: dict.fromkeys(ARMS, False))
    """Whether that is all of it and no more comes."""
    found: tuple[Arm, list[Finding]] | None = None
    """Signs of harm, and in whose reply; from then on nothing more is shown."""
    _checked: dict[Arm, int] = field(default_factory=lambda: dict.fromkeys(ARMS, 0))

    def take(self, text: Mapping[Arm, str], ended: Mapping[Arm, bool]) -> None:
        """Look at what has come since, and show what may be shown."""
        ends = {arm: pieces(text[arm], ended=ended[arm]) for arm in ARMS}
        for arm in ARMS:
            upto = ends[arm][-1] if ends[arm] else 0
            if self.found is None and upto > self._checked[arm]:
                self._checked[arm] = upto
                if findings := self.check(text[arm][:upto]):
                    self.found = arm, findings
        if self.found is not None:
            return
        coming = [len(ends[arm]) for arm in ARMS if not ended[arm]]
        for arm in ARMS:
            count = min([len(ends[arm]), *coming])
            self.shown[arm] = max(self.shown[arm], ends[arm][count - 1] if count else 0)
            self.whole[arm] = ended[arm] and self.shown[arm] >= len(text[arm])
