"""One seed per arm out of one seed per turn, the same in every engine and on every machine."""

from __future__ import annotations

import hashlib

from mi_arena.engine.protocol import Arm


def arm_seed(seed: int, arm: Arm) -> int:
    """The arm's own seed, 0 to 2**63 - 1, from sha256 of the turn's seed and the arm's name.

    Both arms with one and the same seed would draw the same random numbers, so that one arm's
    luck would be the other's; 63 bits fit the signed 64-bit seeds of torch and of vLLM.
    """
    digest = hashlib.sha256(f"{seed}:{arm}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
