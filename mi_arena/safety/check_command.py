"""``python -m mi_arena.safety check``: which lines the patterns stop, as they are read."""

from __future__ import annotations

import argparse
import json
import os
import sys

from mi_arena.safety.check import category_of, findings
from mi_arena.safety.lines import BadLines, Line, read_lines


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
        for line in read_lines(options.file, Line):
            category = category_of(findings(line.text, line.speaker))
            print(json.dumps({"stop": category is not None, "category": category}))
        sys.stdout.flush()
    except BadLines as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has enough (`| head`). What is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
