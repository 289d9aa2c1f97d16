"""One turn of a pair: messages per arm in, text of both arms out at one cadence.

The engine deals in arms (``base``, ``tuned``); it knows nothing of sides, raters or the study.
Every engine returns a ``Turn``; whoever holds it may read it live, cancel it, or wait for its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message

Arm = Literal["base", "tuned"]
ARMS: tuple[Arm, Arm] = ("base", "tuned")

EndReason = Literal["stop", "length", "cancelled", "error"]


class EngineError(RuntimeError):
    """A turn or a pair failed; the message is one line fit for a log, without conversation text."""


class Busy(EngineError):
    """The queue is full; nothing was started."""


class Away(EngineError):
    """The models have made room for a training run and come back after it; nothing was started."""

    def __init__(self) -> None:
        super().__init__(
            "the models are away while a training run uses the accelerator; try again after it"
        )


@dataclass
class ArmReply:
    """One arm's reply as it grows. ``token_seconds`` are times since the turn was submitted."""

    text: str = ""
    end: EndReason | None = None
    tokens: int = 0
    prompt_tokens: int = 0
    messages_left_out: int = 0
    token_seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """What can be seen of a turn at one moment."""

    text: Mapping[Arm, str]
    ended: Mapping[Arm, EndReason | None]
    place: int | None
    """Place in the queue from 1 while waiting, ``None`` once running."""
    loading: bool
    """The pair's weights are being loaded."""
    done: bool
    error: str | None


class Turn:
    """A running turn. The engine's thread writes it; any number of threads read it.

    Both arms' text is published together (``publish``), so a reader never sees one side ahead of
    the other by more than the engine's own step. Ends once; ``error`` is set when it failed.
    """

    def __init__(self) -> None:
        self.submitted = time.monotonic()
        self.replies: dict[Arm, ArmReply] = {arm: ArmReply() for arm in ARMS}
        self.error: str | None = None
        self.too_long = False
        """It failed because the last client turn alone exceeds what the pair can take."""
        self._place: int | None = None
        self._loading = False
        self._done = False
        self._cancelled = threading.Event()
        self._version = 0
        self._changed = threading.Condition()

    # ---- for readers

    def cancel(self) -> None:
        """Ask the engine to stop both arms; returns at once, the turn ends soon after."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def done(self) -> bool:
        return self._done

    def snapshot(self) -> Snapshot:
        with self._changed:
            return self._snapshot()

    def follow(self, interval: float = 0.0) -> Iterator[Snapshot]:
        """Snapshots as the turn changes, at most one per ``interval`` seconds; the last is done."""
        seen = -1
        while True:
            with self._changed:
                while self._version == seen and not self._done:
                    self._changed.wait()
                seen, now = self._version, self._snapshot()
            yield now
            if now.done:
                return
            if interval:
                time.sleep(interval)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the turn has ended; False when ``timeout`` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: self._done, timeout)

    # ---- for engines

    def publish(
        self,
        texts: Mapping[Arm, str] | None = None,
        *,
        place: int | None = None,
        loading: bool = False,
    ) -> None:
        """Show new text of both arms (or a new place in the queue) at once."""
        with self._changed:
            for arm, text in (texts or {}).items():
                self.replies[arm].text = text
            self._place, self._loading = place, loading
            self._version += 1
            self._changed.notify_all()

    def finish(self, error: str | None = None, *, too_long: bool = False) -> None:
        """End the turn; arms without an end reason get ``error`` or ``cancelled``."""
        with self._changed:
            if self._done:
                return
            for reply in self.replies.values():
                if reply.end is None:
                    reply.end = "error" if error else "cancelled"
            self.error, self.too_long = error, too_long
            self._done, self._place, self._loading = True, None, False
            self._version += 1
            self._changed.notify_all()

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            text={arm: reply.text for arm, reply in self.replies.items()},
            ended={arm: reply.end for arm, reply in self.replies.items()},
            place=self._place,
            loading=self._loading,
            done=self._done,
            error=self.error,
        )


class Engine(Protocol):
    """What runs the turns of one pair."""

    @property
    def away(self) -> bool:
        """Whether its models have made room for a training run."""
        ...

    def submit(
        self, messages: Mapping[Arm, Sequence[Message]], decoding: Decoding, seed: int
    ) -> Turn:
        """Start a turn; each arm's messages end with the client.

        Raises ``Busy`` when full, ``Away`` when its models are.
        """
        ...

    def close(self) -> None:
        """Cancel what runs and free what is held."""
        ...
