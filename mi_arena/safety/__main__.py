"""``python -m mi_arena.safety``: check texts for signs of danger, and how well that is done."""

from __future__ import annotations

from collections.abc import Sequence

from mi_arena.subcommands import run_subcommand

COMMANDS = {
    "check": ("check_command", "whether lines are stopped, and for which category"),
    "evaluate": ("evaluate_command", "recall and false alarms on labelled lines, without texts"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_subcommand("mi_arena.safety", __doc__, COMMANDS, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
