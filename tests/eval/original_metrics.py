"""The metrics as the original libraries give them, one reply at a time: slow and plain."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import jieba
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_chinese import Rouge
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

jieba.setLogLevel(logging.WARNING)


def llamafactory(reference: str, prediction: str) -> dict[str, float]:
    """As LLaMA-Factory's ``ComputeSimilarity`` does it, without its rounding to four digits."""
    hypothesis, target = (" ".join(jieba.cut(text)) for text in (prediction, reference))
    if not hypothesis.split() or not target.split():
        f1s = dict.fromkeys(("rouge-1", "rouge-2", "rouge-l"), 0.0)
    else:
        f1s = {name: one["f"] for name, one in Rouge().get_scores(hypothesis, target)[0].items()}
    bleu = sentence_bleu(
        [list(reference)], list(prediction), smoothing_function=SmoothingFunction().method3
    )
    scores = {**f1s, "bleu-4": float(bleu)}
    return {name.replace("-l", "L").replace("-", ""): 100 * one for name, one in scores.items()}


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return [word for word in jieba.cut(text) if word.strip()]


def standard_rouge(reference: str, prediction: str) -> dict[str, float]:
    names = ("rouge1", "rouge2", "rougeL")
    found: dict[str, Any] = RougeScorer(names, tokenizer=_Words()).score(reference, prediction)
    return {name: 100 * found[name].fmeasure for name in names}


def standard_bleu(references: Sequence[str], predictions: Sequence[str]) -> float:
    return float(BLEU(tokenize="zh").corpus_score(predictions, [references]).score)


def standard_sentence_bleu(reference: str, prediction: str) -> float:
    metric = BLEU(tokenize="zh", effective_order=True)
    return float(metric.sentence_score(prediction, [reference]).score)
