"""The length of the longest common subsequence, a whole row of the table at a time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def common_subsequence(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """How many items the two have in common in the same order, with gaps.

    Bit-parallel (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"): bit i of ``row`` is
    clear where the length grows at item i of ``first``.
    """
    places: dict[Hashable, int] = {}
    for index, item in enumerate(first):
        places[item] = places.get(item, 0) | 1 << index
    all_set = (1 << len(first)) - 1
    row = all_set
    for item in second:
        if found := row & places.get(item, 0):
            row = (row + found | row - found) & all_set
    return len(first) - row.bit_count()
