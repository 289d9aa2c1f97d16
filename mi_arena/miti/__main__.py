"""``python -m mi_arena.miti``: codings summarised, the agreement of raters, the study's report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "summarize": ("summarize_command", "counts, summary scores and broken rules of codings"),
    "agreement": ("agreement_command", "how well raters agree, item by item"),
    "report": ("report_command", "the study's MITI tables and plots, from its records"),
}
"""Name -> its module here, with ``configure(parser)`` and ``run(options)``, and its help."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m mi_arena.miti", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        # Only the chosen one is imported: agreement needs numpy, which takes its time.
        if given[:1] == [name]:
            chosen = import_module(f"mi_arena.miti.{module}")
            chosen.configure(command)
            command.set_defaults(run=chosen.run)
    options = parser.parse_args(given)
    return int(options.run(options))


if __name__ == "__main__":
    raise SystemExit(main())
