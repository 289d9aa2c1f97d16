"""``python -m mi_arena.study``: check a released study's allocation."""

from __future__ import annotations

from collections.abc import Sequence

from mi_arena.subcommands import run_subcommand

COMMANDS = {
    "verify": ("verify_command", "whether a release's sides are what was committed to"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_subcommand("mi_arena.study", __doc__, COMMANDS, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
