"""``python -m training.safety_model``: the weights of ``mi_arena.safety.learned``, from labelled
lines.

Lines are ``{"text", "speaker", "lang", "stop", "category"}``. Figures are printed from ten-fold
cross-validation over lines, with the patterns of the day among what is looked at; no text is.
The same lines and versions give the same weights.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from mi_arena.battles.releasing import piece_ends
from mi_arena.dialogue import read_dialogues
from mi_arena.safety.categories import SPEAKERS, Speaker
from mi_arena.safety.check import pattern_findings
from mi_arena.safety.learned import FILE, KINDS, SIZE, is_han, pieces
from mi_arena.safety.lines import LabelledLine
from mi_arena.settings import ROOT

LINES = ROOT / "training" / "safety_lines"
OUT = ROOT / "mi_arena" / "safety" / FILE
FOLDS = 10
EVERYDAY = 4_000
"""Turns of dialogues that are taken as harmless, of each speaker."""
EVERYDAY_STOPPED: dict[Speaker, float] = {"client": 0.01, "model": 0.005}
"""Share of everyday turns that may be stopped at most, whatever it costs in recall."""
EVERYDAY_WEIGHT = 0.5


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.safety_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lines", type=Path, default=LINES, help="folder of labelled lines")
    parser.add_argument(
        "--everyday", type=Path, nargs="*", default=[], help="dialogues whose turns are harmless"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--c", type=float, default=30.0, help="inverse of regularisation (30)")
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=0.08,
        help="share that the model alone may give in cross-validation (0.08: recall first)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    lines = [
        LabelledLine.model_validate_json(line)
        for file in sorted(options.lines.glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    kept: dict[str, NDArray[np.generic]] = {}
    for speaker in SPEAKERS:
        own = list({line.text: line for line in lines if line.speaker == speaker}.values())
        more = [text for path in options.everyday for text in everyday(path, speaker)]
        more += shuffled(more)
        kept |= learn(speaker, own, more, options.c, options.false_alarms)
    np.savez_compressed(options.out, allow_pickle=False, **kept)
    return 0


def learn(
    speaker: Speaker, lines: Sequence[LabelledLine], more: Sequence[str], c: float, wanted: float
) -> dict[str, NDArray[np.generic]]:
    """The arrays of one speaker's model; prints how it does on lines that it has not seen."""
    x = matrix([*(line.text for line in lines), *more], speaker)
    y = np.array([*(line.stop for line in lines), *([False] * len(more))])
    weight = np.array([1.0] * len(lines) + [EVERYDAY_WEIGHT] * len(more))
    told = np.zeros(len(lines))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    # Every fold leaves out some everyday turns too, to see how many of them it would stop.
    usual = np.zeros(len(more))
    fold_of = np.arange(len(more)) % FOLDS
    for number, (train, test) in enumerate(folds.split(np.zeros(len(lines)), y[: len(lines)])):
        left_out = len(lines) + np.flatnonzero(fold_of == number)
        used = np.concatenate([train, len(lines) + np.flatnonzero(fold_of != number)])
        model = fitted(x[used], y[used], weight[used], c)
        told[test] = model.decision_function(x[test])
        usual[left_out - len(lines)] = model.decision_function(x[left_out])
    stop, thresholds = y[: len(lines)], {}
    han = np.array([is_han(line.text) for line in lines])
    seen = np.array([bool(pattern_findings(line.text, speaker)) for line in lines])
    for script, own in (("", han), ("_latin", ~han)):
        thresholds[script] = float(np.quantile(told[own & ~stop], 1 - wanted))
        if len(usual) and not script:
            least = float(np.quantile(usual, 1 - EVERYDAY_STOPPED[speaker]))
            print(f"{speaker}: everyday turns ask for {least:.2f}, hard lines for "
                  f"{thresholds[script]:.2f}")  # fmt: skip
            thresholds[script] = max(thresholds[script], least)
        found = seen | (told > thresholds[script])
        print(f"{speaker}{script}: {(own & stop).sum()} + {(own & ~stop).sum()} lines; with the "
              f"patterns recall {found[own & stop].mean():.3f}, false alarms "
              f"{found[own & ~stop].mean():.3f}; patterns alone {seen[own & stop].mean():.3f}, "
              f"{seen[own & ~stop].mean():.3f}")  # fmt: skip
    model = fitted(x, y, weight, c)
    kinds = KINDS[speaker]
    danger = [i for i, line in enumerate(lines) if line.stop]
    names = np.array([kinds.index(lines[i].category) for i in danger])
    by_kind = LogisticRegression(C=c, max_iter=1000).fit(x[danger], names)
    return {
        f"{speaker}_stop": model.coef_[0].astype(np.float16),
        f"{speaker}_bias": np.array(model.intercept_[0]),
        f"{speaker}_threshold": np.array(thresholds[""]),
        f"{speaker}_threshold_latin": np.array(thresholds["_latin"]),
        f"{speaker}_kinds": by_kind.coef_.astype(np.float16),
        f"{speaker}_kind_bias": by_kind.intercept_.astype(np.float32),
    }


def fitted(
    x: csr_matrix, y: NDArray[np.bool_], weight: NDArray[np.float64], c: float
) -> LogisticRegression:
    return LogisticRegression(C=c, class_weight="balanced", max_iter=1000).fit(x, y, weight)


def matrix(texts: Iterable[str], speaker: Speaker) -> csr_matrix:
    rows = [
        pieces(text, [one.pattern_id for one in pattern_findings(text, speaker)]) for text in texts
    ]
    ends = np.cumsum([0, *(len(row) for row in rows)])
    places = np.array([place for row in rows for place in row], np.int32)
    values = np.array([value for row in rows for value in row.values()], np.float32)
    return csr_matrix((values, places, ends), shape=(len(rows), SIZE))


def shuffled(texts: Sequence[str]) -> list[str]:
    """Some of the texts as no more than heaps of their characters: what a small model may write is
    nonsense, and nonsense does no harm."""
    chance = random.Random(0)
    return [
        "".join(chance.sample(text, len(text))) for text in texts[:: max(1, len(texts) // 1500)]
    ]


def everyday(path: Path, speaker: Speaker) -> list[str]:
    """Turns at equal distances, of dialogues of the train split that are not flagged, without
    those in which the patterns see anything."""
    role = "client" if speaker == "client" else "counselor"
    turns = [
        message.content
        for dialogue in read_dialogues(path)
        if dialogue.meta.get("split") != "test" and not dialogue.meta.get("flags")
        for message in dialogue.messages[:6]
        if message.role == role
    ]
    some = turns[:: max(1, len(turns) // (2 * EVERYDAY))]
    if speaker == "model":  # replies are looked at as they come, sentence by sentence
        some = [text[:end] for text in some for end in piece_ends(text, True)]
    return [text for text in some if not pattern_findings(text, speaker)][:EVERYDAY]


if __name__ == "__main__":
    raise SystemExit(main())
