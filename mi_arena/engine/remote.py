"""Runs the turns of a pair over an OpenAI-compatible server: two model names, one cadence.

Meant for vLLM (``--enable-lora --lora-modules tuned=PATH``) and works with any server that speaks
chat completions. Chat format and tokens are the server's business, not known here. Nothing that
was said, and no key, goes into an error line or a log.

Per turn there are three threads: one reads each arm's stream, one paces and publishes both.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine.pacing import Pacer
from mi_arena.engine.protocol import (
    ARMS,
    Arm,
    Busy,
    EngineError,
    Turn,
)
from mi_arena.engine.remote_side import Server, Side, Timeouts, request_for
from mi_arena.engine.seeds import arm_seed

log = logging.getLogger(__name__)

POLL = 0.02
"""Seconds between two looks at a turn that waits for text, a place or a cancel."""


class RemoteEngine:
    """The ``Engine`` of a pair whose arms are two models of one server."""

    away = False
    """What its server does with its memory is its own affair."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        models: Mapping[Arm, str],
        *,
        timeouts: Timeouts | None = None,
        max_concurrent: int = 4,
        queue_limit: int = 32,
        cadence: float = 0.08,
        step: int = 4,
    ) -> None:
        """``cadence``: seconds per published step; ``step``: characters per arm in a step.

        The two set the pace that a reader sees, about that of a server under load; a faster
        server only fills the buffers.
        """
        # Older openai clients write whole requests into their debug log.
        for name in ("openai", "openai._base_client"):
            logging.getLogger(name).setLevel(logging.INFO)
        self._server = Server(base_url, (api_key or "").strip(), timeouts or Timeouts())
        self._models = {arm: models[arm] for arm in ARMS}
        self._max_concurrent, self._queue_limit = max_concurrent, queue_limit
        self._cadence, self._step = cadence, step
        self._changed = threading.Condition()
        self._waiting: list[Turn] = []
        self._running: list[Turn] = []
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(
        self, messages: Mapping[Arm, Sequence[Message]], decoding: Decoding, seed: int
    ) -> Turn:
        for arm in ARMS:
            if not messages.get(arm) or messages[arm][-1].role != "client":
                raise EngineError(f"{arm}: the messages must end with the client")
        turn = Turn()
        sides = {
            arm: Side(
                self._server,
                arm,
                request_for(self._models[arm], messages[arm], decoding, arm_seed(seed, arm)),
                turn.replies[arm],
                turn.submitted,
            )
            for arm in ARMS
        }
        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed")
            if len(self._running) < self._max_concurrent:
                self._running.append(turn)
            elif len(self._waiting) >= self._queue_limit:
                raise Busy(f"the queue is full ({self._queue_limit} turns are waiting)")
            else:
                self._waiting.append(turn)
                turn.publish(place=len(self._waiting))
            thread = threading.Thread(
                target=self._conduct, args=(turn, sides), name="remote-turn", daemon=True
            )
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()
        return turn

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for turn in self._running + self._waiting:
                turn.cancel()
            threads = list(self._threads)
        for thread in threads:
            # Only a look-up of the server's name can't be cut short; nothing waits for it forever.
            thread.join(self._server.timeouts.connect + 5)
        self._server.close()

    # ---- one thread per turn

    def _conduct(self, turn: Turn, sides: Mapping[Arm, Side]) -> None:
        try:
            error = self._pace(turn, sides) if self._wait_for_place(turn) else None
        except Exception as fault:
            # Its message might quote what was said; its type can't.
            error = f"a fault in the remote engine ({type(fault).__name__})"
            for side in sides.values():
                side.stop()
        if error:
            log.warning("turn failed: %s", error)
        turn.finish(error)
        for side in sides.values():
            side.join()
        self._leave(turn)

    def _pace(self, turn: Turn, sides: Mapping[Arm, Side]) -> str | None:
        """Show both sides step by step to their end; the error when one failed for good."""
        pacer = Pacer(self._step)
        due = time.monotonic()
        for side in sides.values():
            side.start()
        while True:
            for arm, side in sides.items():
                side.pour_into(pacer, arm)
            now = time.monotonic()
            failures = [side.failure for side in sides.values() if side.failure]
            if turn.cancelled or failures:
                for side in sides.values():
                    side.stop()
                for side in sides.values():
                    side.join(0.5)
                # What was buffered stays unseen: showing it now would tell which side was faster.
                return None if turn.cancelled else failures[0]
            if now >= due:
                if pacer.advance():
                    turn.publish(pacer.shown)
                    due = now + self._cadence
                self._mark_ends(turn, sides, pacer)
            if pacer.done and not any(side.running for side in sides.values()):
                return None
            for side in sides.values():
                side.check_deadline(now)
            time.sleep(min(due - now, POLL) if due > now else POLL)

    @staticmethod
    def _mark_ends(turn: Turn, sides: Mapping[Arm, Side], pacer: Pacer) -> None:
        new = [arm for arm in ARMS if turn.replies[arm].end is None and pacer.ended(arm)]
        for arm in new:
            turn.replies[arm].end = sides[arm].end
        if new:
            turn.publish(pacer.shown)

    # ---- the queue

    def _wait_for_place(self, turn: Turn) -> bool:
        """Block until the turn may run; False when it was cancelled first."""
        with self._changed:
            while turn in self._waiting:
                if turn.cancelled:
                    self._waiting.remove(turn)
                    self._tell_places()
                    return False
                self._changed.wait(POLL)
        return True

    def _leave(self, turn: Turn) -> None:
        with self._changed:
            if turn in self._running:
                self._running.remove(turn)
            while self._waiting and len(self._running) < self._max_concurrent:
                following = self._waiting.pop(0)
                self._running.append(following)
                following.publish()
            self._tell_places()
            self._changed.notify_all()

    def _tell_places(self) -> None:
        for place, turn in enumerate(self._waiting, 1):
            if turn.snapshot().place != place:
                turn.publish(place=place)
