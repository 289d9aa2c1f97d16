"""``python -m mi_arena.release``: the public dataset, built and pushed."""

from __future__ import annotations

from collections.abc import Sequence

from mi_arena.subcommands import run_subcommand

COMMANDS = {
    "build": ("build_command", "write the masked release of the study's records to a folder"),
    "push": ("push_command", "bring such a folder to the public dataset on the Hub"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_subcommand("mi_arena.release", __doc__, COMMANDS, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
