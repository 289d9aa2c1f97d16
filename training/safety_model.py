"""``python -m training.safety_model``: the weights of ``mi_arena.safety.learned``, from labelled
lines.

Lines are ``{"text", "speaker", "lang", "stop", "category"}``. Figures are printed from five-fold
cross-validation over lines, with the patterns of the day among what is looked at; no text is.
Thresholds are set on the lines of files named ``natural*`` alone: the others are mostly twins of
each other, one dangerous and one not, which teach more than they tell of what is written in life.
The same lines and versions give the same weights.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from mi_arena.battles.releasing import piece_ends
from mi_arena.dialogue import read_dialogues
from mi_arena.safety.categories import SPEAKERS, Speaker
from mi_arena.safety.check import TABLES, pattern_findings
from mi_arena.safety.learned import FILE, KINDS, SIZE, is_han, pieces
from mi_arena.safety.lines import LabelledLine, read_lines
from mi_arena.safety.patterns import wide
from mi_arena.settings import ROOT

LINES = ROOT / "training" / "safety_lines"
OUT = ROOT / "mi_arena" / "safety" / FILE
FOLDS = 5
NATURAL = "natural"
EVERYDAY = 12_000
"""Turns of dialogues that are taken as harmless, of each speaker."""
EVERYDAY_STOPPED: dict[Speaker, float] = {"client": 0.01, "model": 0.0005}
"""Share of everyday turns, or of the looks at a growing reply, that may be stopped at most,
whatever it costs in recall. A reply is looked at several times, and a battle has many."""
EVERYDAY_WEIGHT = 1.0
MARGIN: dict[Speaker, float] = {"client": 0.25, "model": 0.0}
"""Log odds on top of the threshold for Han: a model that learnt from all lines is surer than one
that a fifth was kept from, and stopped more of the MI dialogues' turns than it should."""


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
    parser.add_argument("--c", type=float, default=100.0, help="inverse of regularisation (100)")
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=0.1,
        help="share of hard lines that may be stopped in cross-validation (0.1: recall first)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    lines, natural = [], set()
    for file in sorted(options.lines.glob("*.jsonl")):
        read = list(read_lines(str(file), LabelledLine))
        lines += read
        if file.name.startswith(NATURAL):
            natural |= {line.text for line in read}
    kept: dict[str, NDArray[np.generic]] = {}
    for speaker in SPEAKERS:
        own = list({line.text: line for line in lines if line.speaker == speaker}.values())
        more = [text for path in options.everyday for text in everyday(path, speaker)]
        more += shuffled(more)
        kept |= learn(speaker, own, natural, more, options.c, options.false_alarms)
    np.savez_compressed(options.out, allow_pickle=False, **kept)
    return 0


def learn(
    speaker: Speaker,
    lines: Sequence[LabelledLine],
    natural: Collection[str],
    more: Sequence[str],
    c: float,
    wanted: float,
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
    firm = np.array([firmly(line.text, speaker) for line in lines])
    as_in_life = np.array([line.text in natural for line in lines])
    for script, own in (("", han & as_in_life), ("_latin", ~han & as_in_life)):
        thresholds[script] = float(np.quantile(told[own & ~stop], 1 - wanted))
        if len(usual) and not script:
            least = float(np.quantile(usual, 1 - EVERYDAY_STOPPED[speaker]))
            print(f"{speaker}: everyday turns ask for {least:.2f}, hard lines for "
                  f"{thresholds[script]:.2f}")  # fmt: skip
            thresholds[script] = max(thresholds[script], least)
        found = firm | (told > thresholds[script])
        print(f"{speaker}{script}: {(own & stop).sum()} + {(own & ~stop).sum()} lines; recall "
              f"{found[own & stop].mean():.3f}, false alarms {found[own & ~stop].mean():.3f}; "
              f"everyday {(usual > thresholds[script]).mean():.3f}; firm patterns alone "
              f"{firm[own & stop].mean():.3f}, {firm[own & ~stop].mean():.3f}")  # fmt: skip
    model = fitted(x, y, weight, c)
    kinds = KINDS[speaker]
    danger = [i for i, line in enumerate(lines) if line.stop]
    names = np.array([kinds.index(lines[i].category) for i in danger])
    by_kind = LogisticRegression(C=c, max_iter=1000).fit(x[danger], names)
    return {
        f"{speaker}_stop": model.coef_[0].astype(np.float16),
        f"{speaker}_bias": np.array(model.intercept_[0]),
        f"{speaker}_threshold": np.array(thresholds[""] + MARGIN[speaker]),
        f"{speaker}_threshold_latin": np.array(thresholds["_latin"]),
        f"{speaker}_kinds": by_kind.coef_.astype(np.float16),
        f"{speaker}_kind_bias": by_kind.intercept_.astype(np.float32),
    }


def firmly(text: str, speaker: Speaker) -> bool:
    """Whether a pattern is met that nothing excuses."""
    return any(
        one.pattern_id not in wide(TABLES[speaker]) for one in pattern_findings(text, speaker)
    )


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
