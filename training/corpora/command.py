"""The command line of ``training.corpora``: read a corpus into dialogue JSONL, or inspect one."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from mi_arena.dialogue import Dialogue, write_dialogues
from mi_arena.jobs.ending import noted
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from mi_arena.jobs.script import (
    DONE,
    STOPPED,
    WRONG_INPUT,
    BadInput,
    first_line,
    stop_on_terminate,
    tell_fault,
)
from training.corpora import problems
from training.corpora.cleaning import RULES, without
from training.corpora.corpus import NO_RULES, inspected, read_corpus
from training.corpora.near_duplicates import THRESHOLD
from training.corpora.readers.kinds import KINDS, kind_named
from training.corpora.report import Report
from training.corpora.statistics import Statistics

EVERY = 0.5
"""Seconds between two notes of progress in the run directory."""


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.corpora",
        description="Read public counselling corpora into dialogue JSONL, with a report of their "
        "problems and what was done about them; or look a dialogue file through.",
        epilog="Exit codes: 0 done, 2 bad input (one line says what and where), 3 stopped.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    reading = commands.add_parser(
        "read",
        help="read a corpus into dialogue JSONL",
        description="Read a corpus into dialogue JSONL. Nothing is dropped in silence: every "
        "cleaning rule counts what it did in the report, and can be switched off.",
        epilog=_tables(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    reading.add_argument("kind", metavar="KIND", help=", ".join(KINDS))
    reading.add_argument(
        "path",
        metavar="PATH",
        type=Path,
        help="a file, a folder, or an archive of files (.tar, .tar.gz, .tgz, .zip); any .gz too",
    )
    reading.add_argument(
        "--out", type=Path, required=True, help="the JSONL to write, all or nothing; .gz allowed"
    )
    reading.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="the problem report: JSON where the name ends in .json, else text",
    )
    reading.add_argument("--no-clean", action="store_true", help="switch every cleaning rule off")
    reading.add_argument(
        "--without",
        action="extend",
        nargs="+",
        default=[],
        metavar="RULE",
        help="switch these cleaning rules off",
    )
    reading.add_argument(
        "--near-duplicates",
        action="store_true",
        help="look for near-duplicates (MinHash) and drop them; takes longer",
    )
    reading.add_argument(
        "--near-threshold",
        type=float,
        default=THRESHOLD,
        metavar="SHARE",
        help="how much two texts must have in common (default %(default)s)",
    )
    reading.add_argument(
        "--run", type=Path, metavar="DIR", help="run directory (default: OUT with .run added)"
    )
    reading.add_argument("--json", action="store_true", help="print the report as JSON")
    inspecting = commands.add_parser(
        "inspect",
        help="look a dialogue file through and write nothing",
        description="Count a dialogue JSONL, its lengths, rounds, sources and problems, with "
        "examples. Nothing is written.",
    )
    inspecting.add_argument("path", metavar="FILE", type=Path, help="dialogue JSONL, .gz allowed")
    inspecting.add_argument("--json", action="store_true", help="print it as JSON")
    return parser.parse_args(argv)


def _tables() -> str:
    kinds = [f"  {kind.name:<10} {kind.expects}" for kind in KINDS.values()]
    rules = [f"  {name:<23} {about}" for name, about in RULES.items()]
    known = [f"  {name:<22} {about}" for name, about in problems.KINDS.items()]
    return "\n".join(["kinds:", *kinds, "", "rules:", *rules, "", "problems:", *known])


def read(options: argparse.Namespace) -> None:
    """Raises ``BadInput``."""
    kind_named(options.kind)
    if options.no_clean and options.without:
        raise BadInput("--no-clean switches every rule off already; leave --without away")
    rules = NO_RULES if options.no_clean else without(options.without)
    if not 0 < options.near_threshold <= 1:
        raise BadInput(f"--near-threshold: {options.near_threshold} is not above 0 and at most 1")
    out: Path = options.out
    if out.exists() and options.path.exists() and out.samefile(options.path):
        raise BadInput(f"--out: {out}: is what is to be read; name another file")
    if out.is_dir():
        raise BadInput(f"--out: {out}: is a folder; name a file")
    out.parent.mkdir(parents=True, exist_ok=True)
    run = RunDirectory(options.run or out.with_name(out.name + ".run"))
    config = {
        "command": "training.corpora read",
        "kind": options.kind,
        "path": str(options.path),
        "out": str(out),
        "rules": sorted(rules),
        "near_duplicates": options.near_duplicates,
        "near_threshold": options.near_threshold,
    }
    run.start(config, 0)
    with noted(run):
        report = Report()
        with progress_of(options.path, run, config, report) as progress:
            dialogues = read_corpus(
                options.kind,
                options.path,
                rules,
                report=report,
                near_threshold=options.near_threshold if options.near_duplicates else None,
                progress=progress,
            )
            write(out, dialogues)
        as_json = json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n"
        write_atomically(run.path / "report.json", as_json)
        if options.report:
            options.report.parent.mkdir(parents=True, exist_ok=True)
            as_file = options.report.suffix.lower() == ".json"
            write_atomically(options.report, as_json if as_file else report.as_text(5) + "\n")
        run.log(f"{report.read} read, {report.written} written, {report.missed} unreadable")
    # In a terminal with words; what is caught in a file may be anybody's log.
    print(
        as_json
        if options.json
        else f"{report.as_text(quoted=sys.stdout.isatty())}\n\n{out}: {report.written} dialogues"
    )


def inspect(options: argparse.Namespace) -> None:
    """Raises ``BadInput``."""
    report, statistics = Report(), Statistics()
    with bar(options.path) as (_, progress):
        for dialogue in inspected(options.path, report=report, progress=progress):
            statistics.add(dialogue)
    if options.json:
        found = report.as_json()
        shown = {"path": report.path, **statistics.as_json(), "problems": found["problems"]}
        print(json.dumps(shown, ensure_ascii=False, indent=1))
    else:
        _, _, found_problems = report.as_text(quoted=sys.stdout.isatty()).partition("\n\n")
        unreadable = f"unreadable: {report.missed}" if report.missed else ""
        print("\n\n".join(filter(None, [statistics.as_text(), unreadable, found_problems])))


def write(out: Path, dialogues: Iterable[Dialogue]) -> None:
    """All or nothing; gzipped where the name says so."""
    part = out.with_name(out.name + ".part")
    try:
        if out.suffix.lower() != ".gz":
            write_dialogues(out, dialogues)
            return
        # No name and time in the file, so that the same dialogues make the same bytes.
        with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
            for dialogue in dialogues:
                line = json.dumps(dialogue.model_dump(), ensure_ascii=False) + "\n"
                packed.write(line.encode())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def bar(path: Path) -> Iterator[tuple[Any, Any]]:
    """A progress bar in bytes of the files, in a terminal, and what moves it."""
    with tqdm(desc=path.name, unit="B", unit_scale=True, disable=None) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield shown, progress


@contextmanager
def progress_of(
    path: Path, run: RunDirectory, config: dict[str, Any], report: Report
) -> Iterator[Any]:
    """The bar, and every so often the same in the run directory."""
    noted, started = 0.0, False

    def note(done: int, total: int) -> None:
        nonlocal noted, started
        progress(done, total)
        now = time.monotonic()
        if now - noted < EVERY and done < total:
            return
        if not started:
            run.start(config, total)
            run.progress(0)
            started = True
        noted = now
        run.progress(done)
        run.metric(step=done, read=report.read, written=report.written, unreadable=report.missed)

    with bar(path) as (_, progress):
        yield note


def main(argv: list[str] | None = None, errors: TextIO | None = None) -> int:
    options = parse(argv)
    try:
        (read if options.command == "read" else inspect)(options)
    except (BadInput, OSError) as error:
        print(f"training.corpora: {first_line(error)}", file=errors or sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("training.corpora: stopped; nothing was written", file=errors or sys.stderr)
        return STOPPED
    except Exception as fault:
        return tell_fault("training.corpora", fault)
    return DONE


def run() -> int:
    stop_on_terminate()
    return main()
