"""Two growing texts shown in equal steps, so that speed tells nothing about who is writing.

Pure: text in, steps out. It knows no clock, no server and no tokens; whoever calls ``advance``
sets the cadence.
"""

from __future__ import annotations

from collections.abc import Mapping

from mi_arena.engine.protocol import ARMS, Arm

REPLACEMENT = "\ufffd"


class Pacer:
    """Holds what both arms have sent and decides how much of it may be seen.

    While neither arm has ended, both show the same number of characters: where one has nothing
    more yet, both wait. An arm has ended when it is complete and all of it is shown; then the
    other goes on alone, at the same step.
    """

    def __init__(self, step: int) -> None:
        """``step``: the most characters per arm that one ``advance`` shows."""
        if step < 1:
            raise ValueError("step must be at least 1 character")
        self._step = step
        self._buffers = {arm: _Buffer() for arm in ARMS}

    def feed(self, arm: Arm, text: str) -> None:
        """Take in what the arm sent next."""
        self._buffers[arm].feed(text)

    def complete(self, arm: Arm) -> None:
        """The arm sends nothing more."""
        self._buffers[arm].complete()

    def advance(self) -> bool:
        """Show one step more on both sides; False when nothing could be shown."""
        buffers = self._buffers.values()
        size = min([self._step, *(b.unseen for b in buffers if not b.is_complete)])
        before = sum(b.seen for b in buffers)
        for buffer in buffers:
            buffer.seen += min(size, buffer.unseen)
        return sum(b.seen for b in buffers) > before

    @property
    def shown(self) -> Mapping[Arm, str]:
        return {arm: buffer.text[: buffer.seen] for arm, buffer in self._buffers.items()}

    def ended(self, arm: Arm) -> bool:
        """Complete, and all of it shown."""
        buffer = self._buffers[arm]
        return buffer.is_complete and not buffer.unseen

    @property
    def done(self) -> bool:
        return all(self.ended(arm) for arm in ARMS)


class _Buffer:
    """One arm's text. A tail that may be half a character is held back until more comes.

    Servers cut streams between tokens, not characters: half of a character arrives as a lone
    surrogate (JSON escapes) or as U+FFFD (decoded bytes). At the end such a tail is dropped: it
    is a character that was never finished.
    """

    def __init__(self) -> None:
        self.text = ""
        self.seen = 0
        self.is_complete = False
        self._held = ""

    @property
    def unseen(self) -> int:
        return len(self.text) - self.seen

    def feed(self, text: str) -> None:
        if self.is_complete:
            raise ValueError("text after the end")
        text = self._held + text
        whole = len(text)
        while whole and (text[whole - 1] == REPLACEMENT or "\ud800" <= text[whole - 1] <= "\udbff"):
            whole -= 1
        self._held = text[whole:]
        # Joins surrogate pairs that came in two pieces; one without its partner becomes U+FFFD.
        self.text += (
            text[:whole].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        )

    def complete(self) -> None:
        self.is_complete = True
        self._held = ""
