"""``python -m mi_arena.safety check``: which lines the patterns stop, as they are read."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator

from mi_arena.safety.check import categories_in
from mi_arena.safety.lines import BadLines, Line, read_lines

TOGETHER = 64
"""Lines looked at together, which takes half the time."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        'Reads lines {"text", "speaker": "client"|"model", "lang": "zh"|"en"} and says of each, '
        "in their order, whether the patterns stop it and for which category. No text is repeated."
    )
    parser.epilog = "Exit codes: 0 done; 2 what can't be read, in one line."
    parser.add_argument("file", metavar="FILE", help="a .jsonl file; - for stdin")
    parser.add_argument(
        "--json", action="store_true", help='one {"stop", "category"} a line, also the default'
    )


def run(options: argparse.Namespace) -> int:
    try:
        together = 1 if options.file == "-" else TOGETHER  # whoever writes may wait for an answer
        for lines in _together(read_lines(options.file, Line), together):
            for category in categories_in([(line.text, line.speaker) for line in lines]):
                print(json.dumps({"stop": category is not None, "category": category}))
        sys.stdout.flush()
    except BadLines as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has enough (`| head`). What is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _together(lines: Iterator[Line], number: int) -> Iterator[list[Line]]:
    """Some at a time, and those before a bad one before it is told."""
    some: list[Line] = []
    try:
        for line in lines:
            some.append(line)
            if len(some) == number:
                yield some
                some = []
    except BadLines:
        yield some
        raise
    yield some
