"""``python -m eval.judge``: dialogues coded by a model, and its codings held against people's."""

from __future__ import annotations

from collections.abc import Sequence

from mi_arena.subcommands import run_subcommand

COMMANDS = {
    "code": ("code_command", "have a model code dialogues with MITI 4.2.1"),
    "gather": ("gather_command", "write what people coded of a judge's dialogues"),
    "validate": ("validate_command", "compare a judge's codings with human ones"),
    "suggest": ("suggest_command", "show a judge's codes to experts, where an admin allows"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_subcommand("eval.judge", __doc__, COMMANDS, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
