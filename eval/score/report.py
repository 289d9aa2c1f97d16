"""Scores as JSON for programs, and as one record a round for who compares single replies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from eval.score.about import About
from eval.score.bootstrap import LEVEL, Estimate
from eval.score.names import CAUTION
from eval.score.results import Difference, GroupResult, Results, ScoredRound
from eval.score.standard import sentence_bleu


def as_json(results: Results, about: About) -> dict[str, Any]:
    """Unrounded; where a number is ``None``, a ``reason`` stands beside it."""
    return {
        "groups": [_group(one) for one in results.groups],
        "differences": [_difference(one) for one in results.differences],
        "about": {
            "caution": CAUTION,
            "versions": about.versions,
            "profiles": {name: asdict(facts) for name, facts in about.profiles.items()},
            "bootstrap": {
                "draws": about.bootstrap.draws,
                "seed": about.bootstrap.seed,
                "unit": "dialogue",
                "level": LEVEL,
                "method": about.bootstrap.method,
            },
            "by": list(about.by),
            "files": about.files,
        },
    }


def _estimate(one: Estimate) -> dict[str, Any]:
    numbers = {"mean": one.mean, "ci_low": one.ci_low, "ci_high": one.ci_high}
    return numbers | ({"reason": one.reason} if one.reason else {})


def _group(one: GroupResult) -> dict[str, Any]:
    def told(estimates: dict[str, Estimate]) -> dict[str, Any]:
        return {name: _estimate(estimate) for name, estimate in estimates.items()}

    return {
        "arm": one.arm,
        "pair": one.pair,
        "n_rounds": one.n_rounds,
        "n_dialogues": one.n_dialogues,
        "n_empty": one.n_empty,
        "profiles": {name: told(estimates) for name, estimates in one.profiles.items()},
        "lengths": told(one.lengths),
        "distinct": told(one.distinct),
        "questions": told(one.questions),
    }


def _difference(one: Difference) -> dict[str, Any]:
    fields = asdict(one)
    del fields["estimate"]
    n = {name: fields.pop(name) for name in ("n_dialogues", "n_rounds")}
    return fields | _estimate(one.estimate) | n


def round_records(rounds: Sequence[ScoredRound]) -> Iterator[dict[str, Any]]:
    """One record for each prediction, in the order of the files, without its text.

    BLEU of a single round in profile ``standard`` is a sentence BLEU, and named so: the corpus BLEU
    of a group is no mean of it.
    """
    for one in rounds:
        scores = one.scores
        profiles: dict[str, dict[str, float]] = {}
        if scores.llamafactory is not None:
            profiles["llamafactory"] = scores.llamafactory._asdict()
        if scores.rouge is not None and scores.bleu_counts is not None:
            sentence = {"sentence_bleu4": sentence_bleu(scores.bleu_counts)}
            profiles["standard"] = scores.rouge._asdict() | sentence
        yield {
            "dialogue_id": one.prediction.dialogue_id,
            "round": one.prediction.round,
            "arm": one.prediction.arm,
            "pair": one.prediction.pair,
            "profiles": profiles,
            **scores.description._asdict(),
            "reference_characters": scores.reference_characters,
        }
