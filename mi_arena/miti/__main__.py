"""``python -m mi_arena.miti``: codings summarised, the agreement of raters, the study's report."""

from __future__ import annotations

from collections.abc import Sequence

from mi_arena.subcommands import run_subcommand

COMMANDS = {
    "summarize": ("summarize_command", "counts, summary scores and broken rules of codings"),
    "agreement": ("agreement_command", "how well raters agree, item by item"),
    "report": ("report_command", "the study's MITI tables and plots, from its records"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_subcommand("mi_arena.miti", __doc__, COMMANDS, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
