"""Which pairs are in memory: loaded on first use, the least recently used makes room.

Deals in sizes and turns of use; how weights are read is handed in.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psutil
import torch

from mi_arena.engine.protocol import Away, EngineError

Loaded = TypeVar("Loaded")
GB = 1e9


def on_gpu() -> bool:
    """Whether models of this process go to a GPU."""
    return torch.cuda.is_available()


def device_memory(*, whole: bool = False) -> int:
    """Bytes that models may take on this machine's device: what is free at the start.

    ``whole``: all there is, since what takes it at the start will give it back.
    """
    if on_gpu():
        free, total = torch.cuda.mem_get_info()
        return int(total if whole else free)
    memory = psutil.virtual_memory()
    return int(memory.total if whole else memory.available)


def free_device_memory() -> None:
    """Give what nothing refers to any more back to the device."""
    gc.collect()
    if on_gpu():
        torch.cuda.empty_cache()


@dataclass
class _Resident(Generic[Loaded]):
    value: Loaded
    size: int
    users: int = 0
    last_used: int = 0


class Residency(Generic[Loaded]):
    """Keeps loaded pairs within a budget of bytes. Any number of threads may ask."""

    def __init__(
        self,
        budget: int,
        size: Callable[[str], int],
        load: Callable[[str], Loaded],
        unload: Callable[[], None] = lambda: None,
    ):
        """``size`` and ``load`` take a pair's id; ``unload`` runs after something was let go."""
        self.budget = budget
        self._size, self._load, self._unload = size, load, unload
        self._resident: dict[str, _Resident[Loaded]] = {}
        self._reserved = 0
        self._clock = 0
        self._line: list[str] = []
        """Pairs that wait for memory, first come first served."""
        self._paused = False
        self._changed = threading.Condition()
        self._loading = threading.Lock()

    def acquire(self, name: str) -> Loaded:
        """The loaded pair, now in use; waits until it fits. Pair with ``release``.

        Raises ``EngineError`` when it could not fit even alone, or can't be loaded; ``Away`` while
        paused, also to those who wait in line then.
        """
        if self.paused:
            raise Away
        needed = self.check_fits(name)
        with self._changed:
            # Even a pair that is still loaded stands in line: else a busy pair would starve others.
            self._line.append(name)
            try:
                self._changed.wait_for(
                    lambda: (
                        self._paused
                        or (
                            self._line[0] == name
                            and (name in self._resident or self._make_room(needed))
                        )
                    )
                )
            finally:
                self._line.remove(name)
                self._changed.notify_all()
            if self._paused:
                raise Away
            if (here := self._resident.get(name)) is not None:
                return self._use(here)
            self._reserved += needed
        try:
            with self._loading:
                value = self._load(name)
        except BaseException:
            with self._changed:
                self._reserved -= needed
                self._changed.notify_all()
            raise
        with self._changed:
            self._reserved -= needed
            here = self._resident[name] = _Resident(value, needed)
            self._changed.notify_all()
            return self._use(here)

    def check_fits(self, name: str) -> int:
        """The bytes a pair needs. Raises ``EngineError`` when the budget could never hold it."""
        needed = self._size(name)
        if needed > self.budget:
            raise EngineError(
                f"it needs {needed / GB:.2f} GB and {self.budget / GB:.2f} GB are allowed; raise "
                "MI_ARENA_MEMORY_GB, choose 4-bit quantisation, or leave the pair out"
            )
        return needed

    def release(self, name: str) -> None:
        """Say that a pair is idle; it stays loaded until another needs its room."""
        with self._changed:
            self._resident[name].users -= 1
            self._changed.notify_all()

    def pause(self) -> None:
        """Refuse whoever asks from now on, wait for those who use a pair, then unload all.

        A pair that is being loaded counts as used: who asked for it still gets it, once.
        """
        with self._changed:
            self._paused = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._paused or not self._in_use())
            if self._paused:
                self._resident.clear()
                self._unload()

    def resume(self) -> None:
        """Pairs may be asked for again; each is loaded when it is."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    @property
    def paused(self) -> bool:
        with self._changed:
            return self._paused

    def holds(self, name: str) -> bool:
        with self._changed:
            return name in self._resident

    def wanted(self) -> bool:
        """Whether the memory is wanted for something else; who holds some should soon let go."""
        with self._changed:
            return self._paused or bool(self._line)

    def names(self) -> list[str]:
        """The pairs in memory, least recently used first."""
        with self._changed:
            return sorted(self._resident, key=lambda name: self._resident[name].last_used)

    def _in_use(self) -> bool:
        return self._reserved > 0 or any(here.users for here in self._resident.values())

    def _use(self, here: _Resident[Loaded]) -> Loaded:
        self._clock += 1
        here.users, here.last_used = here.users + 1, self._clock
        return here.value

    def _make_room(self, needed: int) -> bool:
        """Let idle pairs go, oldest first, until ``needed`` bytes are free; False if in vain."""
        while self._reserved + sum(r.size for r in self._resident.values()) + needed > self.budget:
            idle = [name for name, r in self._resident.items() if r.users == 0]
            if not idle:
                return False
            del self._resident[min(idle, key=lambda name: self._resident[name].last_used)]
            self._unload()
        return True
