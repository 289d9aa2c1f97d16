"""Score predictions against their references, in two named profiles with intervals.

`llamafactory` gives the numbers that papers tuned with LLaMA-Factory print; `standard` those of
rouge-score and sacreBLEU. Intervals are a bootstrap over dialogues; tuned, prompted base and base
of a pair are compared over the same dialogues. Likeness to a reference is not MI quality.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from eval.prediction_checks import check_predictions
from eval.predictions import PredictionLine, read_predictions
from eval.score.names import KEYS, PROFILES
from mi_arena.jobs.dialogue_files import file_sha256
from mi_arena.jobs.ending import ANEW, exit_code, noted
from mi_arena.jobs.own_folder import check_folder
from mi_arena.jobs.run_directory import RunDirectory, alone_in
from mi_arena.jobs.script import BadInput, stop_on_terminate

NAME = "eval.score"


def whole(text: str) -> int:
    """A whole number from 0."""
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def some_of(words: Sequence[str]) -> Any:
    """An argument's type: some of the words, with commas between."""

    def parse_words(text: str) -> tuple[str, ...]:
        given = text.split(",")
        if len(set(given)) < len(given) or not set(given) <= set(words):
            raise argparse.ArgumentTypeError(f"{text}: some of {','.join(words)}, each once")
        return tuple(word for word in words if word in given)

    return parse_words


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=__doc__,
        epilog="Exit codes: 0 done, 2 bad input (one line says which line, and how to mend it), "
        "3 stopped, 1 a fault of ours.",
    )
    add = parser.add_argument
    add(
        "predictions",
        nargs="+",
        type=Path,
        metavar="PRED.jsonl",
        help="predictions of one system or several, in one file or several (.gz allowed)",
    )
    add("--json", action="store_true", help="print JSON, unrounded")
    add(
        "--by",
        type=some_of(KEYS),
        default=KEYS,
        metavar="KEYS",
        help="groups: arm,pair (default), arm over all pairs, or pair over all arms; differences "
        "are always within a pair",
    )
    add("--bootstrap", type=whole, default=2000, metavar="N", help="draws; 0 for none (2000)")
    add("--seed", type=whole, default=0, metavar="N", help="of the bootstrap (0)")
    add(
        "--profiles",
        type=some_of(PROFILES),
        default=PROFILES,
        metavar="NAMES",
        help=f"which (default {','.join(PROFILES)})",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="run directory: scores.json, scores.md, scores.csv, and rounds.jsonl with the scores "
        "of every round",
    )
    return parser.parse_args(argv)


def read(paths: Sequence[Path]) -> list[PredictionLine]:
    """Raises ``BadInput`` with the line that is wrong."""
    lines = list(read_predictions(paths))
    if not lines:
        raise BadInput(f"{paths[0]}: holds no prediction; one round a line is wanted")
    check_predictions(lines)
    return lines


def config_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What repeats the run, in plain YAML."""
    return {
        "script": NAME,
        "predictions": [str(path) for path in arguments.predictions],
        "by": list(arguments.by),
        "bootstrap": arguments.bootstrap,
        "seed": arguments.seed,
        "profiles": list(arguments.profiles),
    }


def score(
    arguments: argparse.Namespace, run: RunDirectory | None, lines: list[PredictionLine]
) -> str:
    """Score, write what belongs to the run, and return what is printed."""
    # These bring libraries and dictionaries, and bad input has to be told at once.
    from tqdm import tqdm

    from eval.score.about import About
    from eval.score.bootstrap import Bootstrap
    from eval.score.output import results_json, write_results
    from eval.score.results import Results, ScoredRound
    from eval.score.rounds import score_rounds
    from eval.score.tables import as_markdown

    predictions = [line.prediction for line in lines]
    done = 0
    with tqdm(total=len(predictions), desc="score", unit="round", disable=None) as bar:

        def progress(more: int) -> None:
            nonlocal done
            done += more
            bar.update(more)
            if run:
                run.progress(done)

        texts = [(one.reference, one.prediction) for one in predictions]
        scores = score_rounds(texts, arguments.profiles, progress)
    rounds = [ScoredRound(*both) for both in zip(predictions, scores, strict=True)]
    bootstrap = Bootstrap(arguments.bootstrap, arguments.seed)
    results = Results(rounds, arguments.profiles, bootstrap, arguments.by)
    files = {str(path): file_sha256(path) for path in arguments.predictions}
    about = About.of(files, arguments.profiles, bootstrap, arguments.by)
    if run:
        write_results(run.path, rounds, results, about)
    return results_json(results, about) if arguments.json else as_markdown(results, about)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)

    def work() -> None:
        lines = read(arguments.predictions)
        run: RunDirectory | None = None
        with ExitStack() as held:
            if arguments.out:
                check_folder(arguments.out, NAME)
                held.enter_context(alone_in(arguments.out, "--out"))
                run = RunDirectory(arguments.out)
                run.start(config_of(arguments), len(lines))
            with noted(run):
                told = score(arguments, run, lines)
        print(told.rstrip("\n"))

    return exit_code(NAME, work, ANEW)


if __name__ == "__main__":
    stop_on_terminate()
    raise SystemExit(main())
