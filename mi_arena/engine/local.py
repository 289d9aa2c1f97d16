"""The in-process engine: one thread per pair runs the turns of many battles in one batch.

Both arms of a turn enter the batch in the same step and get their tokens in the same forward
passes. Turns that wait join between two steps, as many as fit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mi_arena.chat_formats import FormatError
from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine.batch import Batch, Row
from mi_arena.engine.loading import LoadedPair
from mi_arena.engine.protocol import ARMS, Arm, Away, Busy, EngineError, Turn
from mi_arena.engine.reply_text import ReplyText
from mi_arena.engine.residency import Residency
from mi_arena.engine.seeds import arm_seed

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Request:
    """A turn on its way: what was asked, and where the answer goes."""

    messages: Mapping[Arm, Sequence[Message]]
    decoding: Decoding
    seed: int
    turn: Turn


class RunningTurn:
    """The two rows of one turn in a batch, and their text."""

    def __init__(self, request: Request, pair: LoadedPair):
        """Raises ``FormatError`` when the last client turn alone is too long for the pair."""
        self.turn, self.pair = request.turn, pair
        self.rows: dict[Arm, Row] = {}
        self.texts: dict[Arm, ReplyText] = {}
        budget = pair.context - request.decoding.max_new_tokens
        # Both arms forget the same rounds: an arm that still knew more would have it easier.
        cut = max(pair.chat.fitted_prompt(request.messages[arm], budget)[1] for arm in ARMS)
        for arm in ARMS:
            prompt, left_out = pair.chat.fitted_prompt(request.messages[arm], budget, cut)
            reply = self.turn.replies[arm]
            reply.prompt_tokens, reply.messages_left_out = len(prompt), left_out
            self.rows[arm] = Row(
                prompt=prompt,
                tuned=arm == "tuned",
                decoding=request.decoding,
                generator=np.random.default_rng(arm_seed(request.seed, arm)),
            )
            self.texts[arm] = ReplyText(pair.chat)

    def after_step(self) -> None:
        """Take each row's newest id, note ends, and show both texts at once."""
        now = time.monotonic() - self.turn.submitted
        for arm, row in self.rows.items():
            reply = self.turn.replies[arm]
            if reply.end is not None:
                continue
            reply.token_seconds.append(round(now, 4))
            reply.tokens = len(row.new)
            if row.new[-1] in self.pair.chat.stop_ids:
                reply.end = "stop"
            else:
                self.texts[arm].add(row.new[-1])
                if len(row.new) >= row.decoding.max_new_tokens:
                    reply.end = "length"
        self.turn.publish(
            {
                arm: text.shown() if self.turn.replies[arm].end is None else text.final()
                for arm, text in self.texts.items()
            }
        )

    def live_rows(self) -> list[Row]:
        return [row for arm, row in self.rows.items() if self.turn.replies[arm].end is None]


class PairRun:
    """The batch of one loaded pair and the turns in it; shared by every way of calling it."""

    def __init__(self, pair: LoadedPair):
        self.pair = pair
        self.batch = Batch(pair.model, pair.mask, pair.chat.pad_id)
        self.turns: list[RunningTurn] = []

    def admit(self, requests: list[Request]) -> None:
        """Prefill these turns together. A turn that can't be laid out ends with its own error."""
        entering = []
        for request in requests:
            try:
                entering.append(RunningTurn(request, self.pair))
            except FormatError as error:
                request.turn.finish(str(error), too_long=True)
            except Exception as error:
                # The type only: the text might quote what was said.
                request.turn.finish(f"a turn could not be laid out: {type(error).__name__}")
        if not entering:
            return
        try:
            self.batch.admit([row for turn in entering for row in turn.rows.values()])
        except BaseException:
            self.turns += entering
            raise
        self.turns += entering
        self._after_step(entering)

    def step(self) -> None:
        self._drop_cancelled()
        if self.turns:
            self.batch.step()
            self._after_step(self.turns)

    def fail(self, line: str) -> None:
        for running in self.turns:
            running.turn.finish(line)
        self.turns = []
        self.batch.keep([])

    def _drop_cancelled(self) -> None:
        for running in self.turns:
            if running.turn.cancelled:
                running.turn.finish()
        self._keep_live()

    def _after_step(self, turns: list[RunningTurn]) -> None:
        for running in turns:
            running.after_step()
            if not running.live_rows():
                running.turn.finish()
        self._keep_live()

    def _keep_live(self) -> None:
        self.turns = [running for running in self.turns if not running.turn.done]
        self.batch.keep([row for running in self.turns for row in running.live_rows()])


class LocalEngine:
    """Runs one pair in this process."""

    def __init__(
        self, name: str, residency: Residency[LoadedPair], at_once: int = 8, queue_limit: int = 64
    ):
        """``at_once``: battles that share a batch; ``queue_limit``: turns that may wait."""
        self.name = name
        self._residency = residency
        self._at_once, self._queue_limit = at_once, queue_limit
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"engine-{name}", daemon=True)
        self._thread.start()

    @property
    def away(self) -> bool:
        return self._residency.paused

    def submit(
        self, messages: Mapping[Arm, Sequence[Message]], decoding: Decoding, seed: int
    ) -> Turn:
        if self.away:
            raise Away
        turn = Turn()
        with self._changed:
            if self._closing:
                raise EngineError(f"pair {self.name} is being closed")
            if len(self._waiting) >= self._queue_limit + self._at_once:
                raise Busy(f"pair {self.name}: {len(self._waiting)} turns are waiting already")
            self._waiting.append(Request(messages, decoding, seed, turn))
            self._show_places()
            self._changed.notify_all()
        return turn

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    # ---- the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    break
                for request in self._waiting:
                    request.turn.publish(loading=not self._residency.holds(self.name))
            try:
                pair = self._residency.acquire(self.name)
            except Exception as error:
                self._fail_waiting(one_line(error))
                continue
            try:
                self._serve(PairRun(pair))
            finally:
                del pair
                self._residency.release(self.name)
        self._fail_waiting("the arena is shutting down")

    def _serve(self, run: PairRun) -> None:
        """Run turns until none is left, or until another pair wants the memory."""
        entering = self._take(self._at_once)
        while not self._closing:
            if not entering and not run.turns:
                return
            try:
                if entering:
                    run.admit(entering)
                run.step()
            except Exception as error:
                # The text of a tensor error says nothing about the conversation.
                log.exception("pair %s: a step failed", self.name)
                run.fail(one_line(error))
            wanted = self._residency.wanted()
            entering = [] if wanted else self._take(self._at_once - len(run.turns))
        for request in entering:
            request.turn.finish("the arena is shutting down")
        run.fail("the arena is shutting down")

    def _take(self, room: int) -> list[Request]:
        with self._changed:
            for request in [r for r in self._waiting if r.turn.cancelled]:
                self._waiting.remove(request)
                request.turn.finish()
            taken = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            if taken:
                self._show_places()
        return taken

    def _fail_waiting(self, line: str) -> None:
        with self._changed:
            waiting, self._waiting = list(self._waiting), deque()
        for request in waiting:
            request.turn.finish(line)

    def _show_places(self) -> None:
        for place, request in enumerate(self._waiting, 1):
            request.turn.publish(place=place)


def one_line(error: Exception) -> str:
    first = str(error).strip().splitlines()
    return first[0] if first else type(error).__name__
