"""Where a dialogue goes round in circles: a turn and its answer, word for word as before."""

from __future__ import annotations

from collections.abc import Sequence

from mi_arena.dialogue import Message

FEWEST = 48
"""Bytes (UTF-8) of a turn and its answer together, so that a word weighs about the same in Chinese
and in English: a second “好的，谢谢。” “不客气。” is no loop."""


def said_again(messages: Sequence[Message]) -> list[int]:
    """Indices of the messages that make up second and later times around, in order.

    They go in pairs, so that what is left alternates where the dialogue did.
    """
    said = [(message.role, message.content.strip()) for message in messages]
    if len(set(said)) > len(said) - 2:  # a pair said twice is two turns said twice
        return []
    again: list[int] = []
    seen: set[tuple[tuple[str, str], tuple[str, str]]] = set()
    before: tuple[str, str] | None = None
    index = 0
    while index < len(said):
        here = said[index]
        if index + 1 < len(said):
            after = said[index + 1]
            if (here, after) in seen and _weight(here, after) >= FEWEST:
                again += [index, index + 1]
                index += 2
                continue
        if before is not None:
            seen.add((before, here))
        before = here
        index += 1
    return again


def _weight(*said: tuple[str, str]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for _, text in said)
