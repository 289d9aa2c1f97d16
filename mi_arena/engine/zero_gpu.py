"""The engine under ZeroGPU's rules: every turn runs alone, in a process forked for the call.

There a GPU exists only inside a function decorated with ``spaces.GPU``, whose arguments and yields
cross a process border. So no batch is shared between battles: a turn batches its own two arms.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine.loading import LoadedPair, load_pair
from mi_arena.engine.local import PairRun, Request, one_line
from mi_arena.engine.protocol import Arm, ArmReply, Busy, EngineError, Turn
from mi_arena.pairs import Pair

Step = dict[Arm, dict[str, Any]]
"""Both arms' ``ArmReply`` as plain data, after one decoding step."""

Call = Callable[[Mapping[Arm, Sequence[Message]], Decoding, int], Iterator[Step]]


class TurnTooLong(EngineError):
    """The last client turn alone exceeds what the pair can take."""


def run_alone(
    pair: LoadedPair, messages: Mapping[Arm, Sequence[Message]], decoding: Decoding, seed: int
) -> Iterator[Step]:
    """Decode one turn, a yield a step. Runs inside the forked process."""
    turn = Turn()
    run = PairRun(pair)
    run.admit([Request(messages, decoding, seed, turn)])
    yield _plain(turn)
    while run.turns:
        run.step()
        yield _plain(turn)
    if turn.error:
        raise TurnTooLong(turn.error) if turn.too_long else EngineError(turn.error)


def _plain(turn: Turn) -> Step:
    return {arm: asdict(reply) for arm, reply in turn.replies.items()}


def zero_gpu_call(pair: Pair, duration: int = 120) -> Call:
    """Load a pair as ZeroGPU wants it, and give the GPU function that runs its turns.

    Must run while the app starts, in the main process. ``spaces`` is there only on a Space.
    """
    import spaces

    loaded = load_pair(pair)

    def turn(
        messages: Mapping[Arm, Sequence[Message]], decoding: Decoding, seed: int
    ) -> Iterator[Step]:
        yield from run_alone(loaded, messages, decoding, seed)

    decorated: Call = spaces.GPU(duration=duration)(turn)
    return decorated


class ZeroGpuEngine:
    """Runs the turns of one pair, each as one call of a GPU function.

    ``call`` is ``run_alone`` over the pair as the Space's GPU decorator made it; a pair on ZeroGPU
    is loaded when the app starts, because the fork must find it in memory.
    """

    away = False
    """It never gives its memory up: no fine-tune runs on ZeroGPU."""

    def __init__(
        self,
        name: str,
        call: Call,
        at_once: int = 2,
        queue_limit: int = 64,
    ):
        self.name = name
        self._call = call
        self._queue_limit = queue_limit
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._run, name=f"zerogpu-{name}-{i}", daemon=True)
            for i in range(at_once)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, messages: Mapping[Arm, Sequence[Message]], decoding: Decoding, seed: int
    ) -> Turn:
        turn = Turn()
        with self._changed:
            if self._closing:
                raise EngineError(f"pair {self.name} is being closed")
            if len(self._waiting) >= self._queue_limit:
                raise Busy(f"pair {self.name}: {len(self._waiting)} turns are waiting already")
            self._waiting.append(Request(messages, decoding, seed, turn))
            self._show_places()
            self._changed.notify()
        return turn

    def close(self) -> None:
        with self._changed:
            self._closing = True
            for request in self._waiting:
                request.turn.finish("the arena is shutting down")
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                request = self._waiting.popleft()
                self._show_places()
            if request.turn.cancelled:
                request.turn.finish()
                continue
            try:
                self._serve(request)
            except Exception as error:
                request.turn.finish(one_line(error), too_long=isinstance(error, TurnTooLong))

    def _serve(self, request: Request) -> None:
        turn = request.turn
        for step in self._call(request.messages, request.decoding, request.seed):
            if turn.cancelled or self._closing:
                break
            for arm, plain in step.items():
                text = plain.pop("text")
                turn.replies[arm] = ArmReply(text=turn.replies[arm].text, **plain)
                step[arm] = {"text": text}
            turn.publish({arm: plain["text"] for arm, plain in step.items()})
        turn.finish()

    def _show_places(self) -> None:
        for place, request in enumerate(self._waiting, 1):
            request.turn.publish(place=place)
