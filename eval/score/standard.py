"""Profile ``standard``: rouge-score with jieba's words, and sacreBLEU's corpus BLEU for Chinese.

ROUGE is a mean of rounds. BLEU belongs to a set of rounds: here are the counts that add up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.scoring import fmeasure
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from eval.score.common_subsequence import common_subsequence
from eval.score.ngrams import ORDERS, TEXTS_KEPT, Items, ngram_counts
from eval.score.words import words

BLEU_COUNTS = 2 + 2 * len(ORDERS)


class Rouge(NamedTuple):
    """F1 of one reply against its reference, 0 to 100."""

    rouge1: float
    rouge2: float
    rougeL: float


BleuCounts = tuple[int, ...]
"""``BLEU_COUNTS`` numbers: tokens of the reply and of the reference, n-grams shared for n from 1
to 4, n-grams of the reply for n from 1 to 4. Those of several rounds add up."""


class JiebaWords:
    """What rouge-score takes for a tokenizer; its own one drops Chinese."""

    def tokenize(self, text: str) -> Sequence[str]:
        return words(text)


@cache
def _scorer() -> Any:
    return RougeScorer(["rouge1", "rouge2"], tokenizer=JiebaWords())


@cache
def _bleu() -> BLEU:
    return BLEU(tokenize="zh")


def rouge(reference: str, prediction: str) -> Rouge:
    """0 where either side is empty or blank.

    ROUGE-L is rouge-score's formula over our subsequence: its own table takes milliseconds a round.
    """
    found = _scorer().score(reference, prediction)
    wanted, given = words(reference), words(prediction)
    shared = common_subsequence(wanted, given)
    in_order = fmeasure(shared / max(1, len(given)), shared / max(1, len(wanted)))
    scores = (found["rouge1"].fmeasure, found["rouge2"].fmeasure, in_order)
    return Rouge(*(100 * score for score in scores))


def bleu_counts(reference: str, prediction: str) -> BleuCounts:
    wanted, given = _tokens(reference), _tokens(prediction)
    if not (isinstance(wanted, str) and isinstance(given, str)):
        wanted, given = tuple(wanted), tuple(given)
    ours, theirs = ngram_counts(given), ngram_counts(wanted)
    return (ours.length, theirs.length, *ours.shared_with(theirs), *ours.totals)


@lru_cache(maxsize=TEXTS_KEPT)
def _tokens(text: str) -> Items:
    """Those of sacreBLEU. Where all is Chinese they are the characters, and its regular expressions
    would only cost a quarter of the time that a round takes."""
    characters = "".join(text.split())
    if all(map(TokenizerZh._is_chinese_char, characters)):
        return characters
    return tuple(_bleu().tokenizer(text.rstrip()).split())


def corpus_bleu(counts: Sequence[int]) -> float:
    """Of the sums of ``BleuCounts``, 0 to 100."""
    return _score(counts, effective_order=False)


def sentence_bleu(counts: Sequence[int]) -> float:
    """Of one round, 0 to 100, as sacreBLEU's ``sentence_bleu``: orders of which a short reply
    has no n-gram are left out. To sort rounds by; corpus BLEU is no mean of it."""
    return _score(counts, effective_order=True)


def _score(counts: Sequence[int], effective_order: bool) -> float:
    prediction_length, reference_length, *ngrams = counts
    bleu = BLEU.compute_bleu(
        correct=ngrams[: len(ORDERS)],
        total=ngrams[len(ORDERS) :],
        sys_len=prediction_length,
        ref_len=reference_length,
        smooth_method="exp",
        effective_order=effective_order,
    )
    return float(bleu.score)


def bleu_signature() -> str:
    """How the BLEU was made, as papers state it."""
    metric = _bleu()
    metric.corpus_score(["一"], [["一"]])  # it knows the number of references only afterwards
    return str(metric.get_signature())
