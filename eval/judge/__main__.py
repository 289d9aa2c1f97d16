"""``python -m eval.judge``: dialogues coded by a model, and its codings held against people's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "code": ("code_command", "have a model code dialogues with MITI 4.2.1"),
    "gather": ("gather_command", "write what people coded of a judge's dialogues"),
    "validate": ("validate_command", "compare a judge's codings with human ones"),
    "suggest": ("suggest_command", "show a judge's codes to experts, where an admin allows"),
}
"""Name -> its module here, with ``configure(parser)`` and ``run(options)``, and its help."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m eval.judge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        # Only the chosen one is imported: validating needs numpy, which takes its time.
        if given[:1] == [name]:
            chosen = import_module(f"eval.judge.{module}")
            chosen.configure(command)
            command.set_defaults(chosen=chosen.run)
    options = parser.parse_args(given)
    return int(options.chosen(options))


if __name__ == "__main__":
    raise SystemExit(main())
