"""Profile ``llamafactory``: what LLaMA-Factory's ``ComputeSimilarity`` gives, not rounded.

Its ROUGE is that of ``rouge_chinese`` 1.0.3, on sets of n-grams of jieba's words; its BLEU-4 that
of nltk's ``sentence_bleu`` on characters with smoothing ``method3``. Neither is imported: they take
minutes for what must take seconds. The tests hold this file equal to both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from eval.score.common_subsequence import common_subsequence
from eval.score.ngrams import TEXTS_KEPT, NgramCounts, ngram_counts
from eval.score.words import cut, words

_NEVER_ZERO = 1e-8
"""What rouge_chinese adds to precision + recall: equal texts have an F1 just below 1."""
_SIX_DOTS = "......"
_SENTENCE_ENDS = tuple(
    re.compile(pattern)
    for pattern in (
        "([。！？?])([^”’])",
        r"(\.{6})([^”’])",
        "(…{2})([^”’])",
        "([。！？?][”’])([^，。！？?])",
    )
)


class Similarity(NamedTuple):
    """Of one reply to its reference, 0 to 100."""

    rouge1: float
    rouge2: float
    rougeL: float
    bleu4: float


@dataclass(frozen=True, slots=True)
class _Text:
    """What ROUGE wants of one side of a comparison."""

    words: tuple[str, ...]
    unigrams: frozenset[str]
    bigrams: frozenset[tuple[str, str]]


def similarity(reference: str, prediction: str) -> Similarity:
    """ROUGE is 0 where either side is empty or blank."""
    wanted, given = _prepared(reference), _prepared(prediction)
    shared = common_subsequence(wanted.words, given.words)
    return Similarity(
        rouge1=100 * _set_f1(wanted.unigrams, given.unigrams),
        rouge2=100 * _set_f1(wanted.bigrams, given.bigrams),
        rougeL=100 * _f1(shared, len(wanted.words), len(given.words)),
        bleu4=100 * _bleu4(ngram_counts(reference), ngram_counts(prediction)),
    )


@lru_cache(maxsize=TEXTS_KEPT)
def _prepared(text: str) -> _Text:
    found = _words(text)
    return _Text(found, frozenset(found), frozenset(pairwise(found)))


def _words(text: str) -> tuple[str, ...]:
    """As rouge_chinese finds them in jieba's words joined by blanks.

    It cuts the joined text into sentences first. A sentence of blanks alone, as between a full stop
    and a line break, becomes one empty word; and six dots in a row end a sentence within a word.
    A text with neither keeps its words.
    """
    found = words(text)
    if len(found) == len(cut(text)) and _SIX_DOTS not in text:
        return found
    if not found:
        return ()
    joined = " ".join(cut(text))
    for end in _SENTENCE_ENDS:
        joined = end.sub(r"\1\n\2", joined)
    sentences = joined.rstrip().split("\n")
    return tuple(word for one in sentences if one for word in one.split() or [""])


def _set_f1(reference: Set[object], prediction: Set[object]) -> float:
    return _f1(len(reference & prediction), len(reference), len(prediction))


def _f1(shared: int, of_reference: int, of_prediction: int) -> float:
    precision = shared / of_prediction if of_prediction else 0.0
    recall = shared / of_reference if of_reference else 0.0
    return 2 * precision * recall / (precision + recall + _NEVER_ZERO)


def _bleu4(reference: NgramCounts, prediction: NgramCounts) -> float:
    """Papineni et al. 2002; where no n-gram is shared, 1 / 2^k for the k-th such n.

    A blank is a character here. An order without any n-gram counts as one that isn't shared.
    """
    shared = prediction.shared_with(reference)
    if not shared[0]:
        return 0.0
    logs, nothing_shared = [], 0
    for matches, total in zip(shared, prediction.totals, strict=True):
        nothing_shared += not matches
        logs.append(math.log((matches or 0.5**nothing_shared) / max(1, total)))
    shorter = min(0.0, 1 - reference.length / prediction.length)
    return math.exp(shorter + math.fsum(logs) / len(logs))
