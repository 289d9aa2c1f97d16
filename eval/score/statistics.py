"""What is told of a group of rounds: each from sums of numbers over rounds, so over dialogues too.

A round becomes a row; rows add up to sums; a statistic reads the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from eval.score.bootstrap import Matrix, Values
from eval.score.description import Description
from eval.score.llamafactory import Similarity
from eval.score.names import METRICS, ProfileName
from eval.score.rounds import RoundScores
from eval.score.standard import BLEU_COUNTS, Rouge, corpus_bleu

Statistic = Callable[[Matrix], Values]
"""From sums, (sets of rounds, columns), to one value for each set; NaN where undefined."""
Name = tuple[str, str]
"""A profile or another heading, and the metric under it."""

CORPUS_BLEU: Name = ("standard", "bleu4")
"""The one metric that is no mean of rounds."""

COLUMNS = (
    "rounds",
    "reference_characters",
    *Description._fields,
    *(f"llamafactory {name}" for name in Similarity._fields),
    *(f"standard {name}" for name in Rouge._fields),
    *(f"bleu {number}" for number in range(BLEU_COUNTS)),
)
_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_BLEU = slice(_PLACE["bleu 0"], None)
_NO_SCORES = {
    "llamafactory": (0.0,) * len(Similarity._fields),
    "rouge": (0.0,) * len(Rouge._fields),
    "bleu": (0,) * BLEU_COUNTS,
}


def row(scores: RoundScores) -> tuple[float, ...]:
    """A number for each of ``COLUMNS``; 0 where the round wasn't scored so."""
    return (
        1,
        scores.reference_characters,
        *scores.description,
        *(scores.llamafactory or _NO_SCORES["llamafactory"]),
        *(scores.rouge or _NO_SCORES["rouge"]),
        *(scores.bleu_counts or _NO_SCORES["bleu"]),
    )


def ratio(part: str, whole: str = "rounds", scale: float = 1.0) -> Statistic:
    """Sum over sum: a mean of rounds, unless ``whole`` is another column."""

    def statistic(sums: Matrix) -> Values:
        below = sums[:, _PLACE[whole]]
        return scale * sums[:, _PLACE[part]] / np.where(below > 0, below, np.nan)

    return statistic


def bleu(sums: Matrix) -> Values:
    """sacreBLEU's corpus score of each set of rounds."""
    counts = sums[:, _BLEU].round().astype(np.int64).tolist()
    return np.array([corpus_bleu(one) for one in counts], dtype=np.float64)


def profile_statistics(profiles: Sequence[ProfileName]) -> dict[Name, Statistic]:
    """All metrics of the profiles, 0 to 100."""
    found: dict[Name, Statistic] = {
        (profile, metric): ratio(f"{profile} {metric}")
        for profile in profiles
        for metric in METRICS
        if (profile, metric) != CORPUS_BLEU
    }
    return found | ({CORPUS_BLEU: bleu} if "standard" in profiles else {})


DESCRIPTIVE: dict[Name, Statistic] = {
    ("lengths", "characters"): ratio("characters"),
    ("lengths", "words"): ratio("words"),
    ("lengths", "reference_characters"): ratio("reference_characters"),
    ("questions", "replies"): ratio("asks", scale=100),
    ("questions", "utterances"): ratio("questions", "utterances", scale=100),
}
"""Lengths are means of rounds; questions the share of replies that ask at all, and the share of
utterances that do, in percent."""
UNDEFINED = {("questions", "utterances"): "there is no utterance"}
"""Why a statistic of at least one round can be undefined."""
