"""A command line of several commands, each in a module of its own that is imported when chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

Commands = Mapping[str, tuple[str, str]]
"""Name -> its module in the package, with ``configure(parser)`` and ``run(options)``, and its
help."""


def run_subcommand(
    package: str, description: str | None, commands: Commands, arguments: Sequence[str] | None
) -> int:
    """Parse the arguments (those of the process if ``None``) and run the command that they name.

    Returns its exit code. Only the chosen module is imported: heavy libraries take their time.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    named = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in commands.items():
        command = named.add_parser(
            name, help=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if given[:1] == [name]:
            chosen = import_module(f"{package}.{module}")
            chosen.configure(command)
            command.set_defaults(chosen=chosen.run)
    options = parser.parse_args(given)
    return int(options.chosen(options))
