"""What replies are like without any reference: how long, how varied, how often they ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from eval.score.words import words
from mi_arena.miti.segment import cut as cut_into_utterances

_ASKS = re.compile(r"[?？][?？!！.。…]*[\s”’」』）)】》〉〕］\]}\"']*\Z")
"""An utterance that ends in a question mark, whatever follows it."""


class Description(NamedTuple):
    """Counts of one reply. All are 0 for an empty one."""

    characters: int
    """Blanks are not counted."""
    words: int
    """Of jieba, punctuation among them, blanks not."""
    utterances: int
    """As punctuation cuts them, for a coder to mend."""
    questions: int
    """Utterances that end in a question mark."""
    asks: int
    """1 where any utterance does, else 0."""
    is_empty: int
    """1 where there is nothing but blanks, else 0."""


def describe(reply: str) -> Description:
    utterances = [one for one in cut_into_utterances(reply) if not one.isspace()]
    questions = sum(_ASKS.search(one) is not None for one in utterances)
    return Description(
        characters=sum(map(len, reply.split())),
        words=len(words(reply)),
        utterances=len(utterances),
        questions=questions,
        asks=min(1, questions),
        is_empty=int(not reply.strip()),
    )


def distinct(replies: Iterable[Sequence[str]], order: int) -> float | None:
    """Distinct n-grams over all n-grams, in percent (Li et al. 2016, distinct-1 and -2).

    Of all replies of a group together, each as its words; no n-gram runs from one reply into the
    next. ``None`` where there is no n-gram.
    """
    seen: set[object] = set()
    total = 0
    for reply in replies:
        ngrams: Sequence[object] = reply if order == 1 else list(pairwise(reply))
        seen.update(ngrams)
        total += len(ngrams)
    return 100 * len(seen) / total if total else None
