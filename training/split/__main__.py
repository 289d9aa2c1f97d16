"""Split dialogue files into a training and a test set, without leaks and repeatable bit by bit.

Dialogues of one source question (meta.group, meta.source_id, an equal first client turn), exact
copies and near-duplicates form groups, and a group never straddles two splits. Sizes come out
exactly; shares of source and topic stay as nearly as whole groups allow. DIR gets JSONL, `datasets`
on disk, a dataset card, reports and a manifest, all or nothing.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mi_arena.jobs.ending import ANEW, exit_code, noted
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from mi_arena.jobs.script import (
    BadInput,
    stop_on_terminate,
)
from training.split.making import STEPS, LeakFound, Options, make
from training.split.report import as_text, report


def whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


def similarity(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return number


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.split",
        description=__doc__,
        epilog="Exit codes: 0 done, 2 bad input (one line says how to mend it), 3 stopped, "
        "1 a fault of ours.",
    )
    add = parser.add_argument
    add("inputs", nargs="+", type=Path, metavar="IN.jsonl", help="dialogue JSONL (.gz allowed)")
    add(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="the folder to write; an earlier split there is replaced, anything else is not",
    )
    add("--train", type=whole, default=2000, metavar="N", help="dialogues to train on (2000)")
    add("--test", type=whole, default=40, metavar="N", help="dialogues to test with (40)")
    add("--validation", type=whole, default=0, metavar="N", help="dialogues to validate with (0)")
    add("--seed", type=int, default=0, help="another seed draws other groups (0)")
    add(
        "--sources",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="what IN was rewritten from: dialogues whose sources belong together stay together; "
        "never drawn from",
    )
    add(
        "--against",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="further test files; it is an error if one overlaps with the train split",
    )
    add(
        "--drop-leaks",
        action="store_true",
        help="leave out whole groups that overlap with a file of --against, and count them",
    )
    add(
        "--near-threshold",
        type=similarity,
        default=0.8,
        metavar="J",
        help="Jaccard similarity from which on two dialogues are near-duplicates (0.8)",
    )
    add("--no-near", action="store_true", help="do not look for near-duplicates")
    add("--with-crisis", action="store_true", help="keep dialogues that are flagged as crisis")
    add("--push", metavar="REPO", help="upload to this dataset of the Hub; needs HF_TOKEN")
    visible = parser.add_mutually_exclusive_group()
    visible.add_argument(
        "--private",
        dest="public",
        action="store_false",
        default=False,
        help="a new dataset is private (the default)",
    )
    visible.add_argument(
        "--public",
        action="store_true",
        help="a new dataset is public; refused where a licence is unknown",
    )
    add("--json", action="store_true", help="print the report as JSON")
    add("--run", type=Path, metavar="DIR", help="run directory, for a program to follow")
    return parser.parse_args(argv)


def options_of(arguments: argparse.Namespace) -> Options:
    sizes = {name: getattr(arguments, name) for name in ("train", "test", "validation")}
    if not sizes["train"]:
        raise BadInput("--train 0: ask for at least one dialogue to train on")
    return Options(
        inputs=tuple(arguments.inputs),
        against=tuple(arguments.against),
        sizes={name: size for name, size in sizes.items() if size},
        seed=arguments.seed,
        near_threshold=None if arguments.no_near else arguments.near_threshold,
        with_crisis=arguments.with_crisis,
        drop_leaks=arguments.drop_leaks,
        sources=tuple(arguments.sources),
    )


def split(arguments: argparse.Namespace, run: RunDirectory | None) -> dict[str, Any]:
    """Make, write and push; returns the report."""
    from training.split.folder import check_target, write_split

    def at(step: str) -> None:
        if run:
            run.log(step)
            run.progress(STEPS.index(step))

    options = options_of(arguments)
    check_target(arguments.out)
    token = os.environ.get("HF_TOKEN")
    if arguments.push:
        from training.split.hub import check_licences, check_push, push

        check_push(arguments.push, token)
    made = make(options, at)
    if arguments.push and arguments.public:
        check_licences(one for found in made.splits.values() for one in found)
    told = report(made)
    at("write")
    write_split(arguments.out, made, told)
    if arguments.push:
        at("push")
        told["pushed"] = push(arguments.out, arguments.push, token or "", arguments.public)
    return told


def config_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What repeats the run, in plain YAML. The token stays in the environment."""

    def shown(value: Any) -> Any:
        if isinstance(value, list):
            return [shown(each) for each in value]
        return str(value) if isinstance(value, Path) else value

    return {name: shown(value) for name, value in vars(arguments).items() if name != "run"}


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)

    def work() -> None:
        run: RunDirectory | None = None
        if arguments.run:
            run = RunDirectory(arguments.run)
            run.start(config_of(arguments), len(STEPS))
        with noted(run), leaks_kept(run):
            told = split(arguments, run)
            if run:
                run.progress(len(STEPS))
        print(json.dumps(told, ensure_ascii=False, indent=1) if arguments.json else as_text(told))
        if not arguments.json:
            print(f"\n{arguments.out}: written")
            if "pushed" in told:
                print(f"pushed: {told['pushed']}")

    return exit_code("training.split", work, ANEW)


@contextmanager
def leaks_kept(run: RunDirectory | None) -> Iterator[None]:
    """The leaks that a split was refused for, each of them, in the run directory."""
    try:
        yield
    except LeakFound as error:
        if run:
            leaks = [overlap.as_json() for overlap in error.overlaps]
            text = json.dumps({"leaks": leaks}, ensure_ascii=False, indent=1)
            write_atomically(run.path / "leaks.json", text + "\n")
        raise


if __name__ == "__main__":
    stop_on_terminate()
    raise SystemExit(main())
