"""Which side the tuned arm takes: permuted blocks of random size, open to audit afterwards.

Everything follows from the epoch's seed through HMAC-SHA256 alone, so that anybody can repeat it
in any language once the seed is told:

1. ``seed = HMAC(secret, "EPOCH:NONCE")``. Nonce and ``commitment(seed)`` (its SHA-256) are
   published when the epoch opens, the seed after it has closed.
2. Blocks are numbered ``k = 0, 1, …`` and follow each other. Block ``k`` has
   ``4 + 2 * (HMAC(seed, "block:k") mod 3)`` battles (4, 6 or 8), the digest read as one
   big-endian number.
3. Slot ``i`` of block ``k`` has the key ``HMAC(seed, "slot:k:i")``. In the half of the block's
   slots with the smaller keys (compared byte by byte) the tuned arm is on side A, in the other
   half on side B.

Labels are ASCII and numbers decimal. A battle's allocation index counts from 0 within its epoch.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from bisect import bisect_right
from functools import lru_cache
from typing import Literal

Side = Literal["A", "B"]


def seed_for(secret: bytes, epoch_id: str, nonce: str) -> bytes:
    """The seed of an epoch (32 bytes). Nobody without the secret can compute it."""
    return _hmac(secret, f"{epoch_id}:{nonce}".encode())


def commitment(seed: bytes) -> str:
    """What is published at the start: it binds us to the seed without telling it."""
    return hashlib.sha256(seed).hexdigest()


def tuned_side(seed: bytes, index: int) -> Side:
    """The side of the tuned arm in the epoch's battle number ``index`` (from 0)."""
    return _allocation(seed).tuned_side(index)


class Allocation:
    """The allocation of one epoch; remembers where its blocks begin. Safe for threads."""

    def __init__(self, seed: bytes):
        self._seed = seed
        self._starts = [0]
        """Where each block begins; the last one is the end of the blocks known so far."""
        self._growing = threading.Lock()

    def block_of(self, index: int) -> tuple[int, int, int]:
        """Number, first index and size of the block in which a battle lies."""
        if index < 0:
            raise ValueError("an allocation index counts from 0")
        with self._growing:
            while self._starts[-1] <= index:
                self._starts.append(self._starts[-1] + self._size(len(self._starts) - 1))
            block = bisect_right(self._starts, index) - 1
            start, end = self._starts[block : block + 2]
        return block, start, end - start

    def tuned_side(self, index: int) -> Side:
        block, start, size = self.block_of(index)
        keys = [_hmac(self._seed, f"slot:{block}:{slot}".encode()) for slot in range(size)]
        rank = sorted(keys).index(keys[index - start])
        return "A" if rank < size // 2 else "B"

    def _size(self, block: int) -> int:
        # 256 bits modulo 3: the three sizes are equally likely up to one part in 2^256.
        return 4 + 2 * (int.from_bytes(_hmac(self._seed, f"block:{block}".encode())) % 3)


@lru_cache(maxsize=16)
def _allocation(seed: bytes) -> Allocation:
    return Allocation(seed)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
