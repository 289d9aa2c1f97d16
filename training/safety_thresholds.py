"""``python -m training.safety_thresholds NETWORK.npz...``: networks put together, with thresholds.

Thresholds are chosen on labelled lines that no network learnt from (``--on``): for each speaker and
script the lowest that costs no more false alarms than the one at which the networks alone reach the
recall asked for. Writes ``weights.npz`` and ``thresholds.yaml``, and prints what the whole check
then does on these lines; no text is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from mi_arena.safety import learned, reading
from mi_arena.safety.evaluation import evaluate
from mi_arena.safety.lines import LabelledLine, read_lines
from training.safety_network import VOCABULARY

RECALL = 0.95


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.safety_thresholds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("networks", type=Path, nargs="*", help="left out: those that are there")
    parser.add_argument("--on", type=Path, nargs="+", required=True, help="labelled lines")
    parser.add_argument("--recall", type=float, default=RECALL, help=f"of the networks ({RECALL})")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    if options.networks:
        joined(options.networks, VOCABULARY / "weights.npz")
    lines = [line for file in options.on for line in read_lines(str(file), LabelledLine)]
    chosen: dict[str, dict[str, float]] = {}
    for speaker in reading.KINDS:
        own = [line for line in lines if line.speaker == speaker]
        read = learned.read([line.text for line in own], speaker)
        odds = np.array([one.odds if one else np.inf for one in read])
        stop = np.array([line.stop for line in own])
        scripts = np.array([learned.script(line.text) for line in own])
        chosen[speaker] = {
            script: threshold(odds[scripts == script], stop[scripts == script], options.recall)
            for script in ("han", "latin")
        }
    (VOCABULARY / "thresholds.yaml").write_text(yaml.safe_dump(chosen), encoding="utf-8")
    learned.thresholds.cache_clear()
    for name, value in chosen.items():
        print(name, value)
    found = evaluate(lines)
    print(f"recall {found.recall.value:.3f}, false alarms {found.false_alarms.value:.3f}")
    return 0


def threshold(odds: NDArray[np.float64], stop: NDArray[np.bool_], recall: float) -> float:
    """Between the two scores that it lies between. Both kinds of lines must be there."""
    at_recall = float(np.quantile(odds[stop], 1 - recall, method="lower"))
    lower = odds[~stop & (odds < at_recall)]
    below = float(lower.max()) if len(lower) else at_recall - 1.0
    return round((below + float(odds[stop & (odds > below)].min())) / 2, 3)


def joined(files: Sequence[Path], out: Path) -> None:
    """The networks of several files in one."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, file in enumerate(files):
        with np.load(file, allow_pickle=False) as kept:
            arrays |= {f"{number}/{name}": kept[name] for name in kept.files}
    np.savez_compressed(out, allow_pickle=False, **arrays)


if __name__ == "__main__":
    raise SystemExit(main())
