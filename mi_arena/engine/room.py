"""Engines for pairs, all within one memory budget; more may be opened while others serve."""

from __future__ import annotations

import os
from collections.abc import Callable

from mi_arena.engine.loading import LoadedPair, bytes_needed, load_pair
from mi_arena.engine.local import LocalEngine
from mi_arena.engine.protocol import Engine, EngineError
from mi_arena.engine.remote import RemoteEngine
from mi_arena.engine.residency import Residency, free_device_memory
from mi_arena.engine.zero_gpu import ZeroGpuEngine, zero_gpu_call
from mi_arena.pairs import Pair


class EngineRoom:
    """Opens the engine that a pair needs: a server's, ZeroGPU's, or one in this process."""

    def __init__(self, budget: int, at_once: int, queue_limit: int):
        """``budget``: bytes that all pairs in this process may take together."""
        self._at_once, self._queue_limit = at_once, queue_limit
        self._pairs: dict[str, Pair] = {}
        self.residency: Residency[LoadedPair] = Residency(
            budget,
            size=lambda place: bytes_needed(self._pairs[place], at_once),
            load=lambda place: load_pair(self._pairs[place]),
            unload=free_device_memory,
        )

    def engine(self, pair: Pair, *, load: bool = False) -> Engine:
        """With ``load``, a pair of this process is in memory when it returns.

        Raises ``EngineError`` with one line for a pair that could never fit, or can't be loaded.
        """
        if pair.server is not None:
            key = os.environ.get(pair.server.key_variable) if pair.server.key_variable else None
            return RemoteEngine(
                base_url=str(pair.server.url),
                api_key=key,
                models={"base": pair.server.base, "tuned": pair.server.tuned},
                max_concurrent=self._at_once,
                queue_limit=self._queue_limit,
            )
        # Two adapters may come under one id, one after the other: each has a place of its own.
        place = f"{pair.id}#{len(self._pairs)}"
        self._pairs[place] = pair
        # A repo's size is known once it is here; a folder's at once.
        if pair.base.path is not None:
            self.residency.check_fits(place)
        if on_zero_gpu():
            return ZeroGpuEngine(pair.id, zero_gpu_call(pair), self._at_once, self._queue_limit)
        if load:
            self.residency.acquire(place)
            self.residency.release(place)
        return LocalEngine(place, self.residency, self._at_once, self._queue_limit)


def open_engines(
    room: EngineRoom, pairs: list[Pair], problem: Callable[[str], None]
) -> dict[str, Engine]:
    """An engine a pair; ``problem`` gets a line for each that has to be left out."""
    engines: dict[str, Engine] = {}
    for pair in pairs:
        try:
            engines[pair.id] = room.engine(pair)
        except EngineError as error:
            problem(f"pair {pair.id} is left out: {error}")
    return engines


def on_zero_gpu() -> bool:
    """Whether this is a Space whose GPU exists only inside single calls."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))
