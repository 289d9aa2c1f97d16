"""``python -m mi_arena.miti report``: the study's MITI tables, from the codings on record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mi_arena.jobs.script import BadInput
from mi_arena.records.store import StoreError
from mi_arena.settings import SettingsError, load_settings
from mi_arena.study.match_results import match_results
from mi_arena.study.miti_results import miti_results
from mi_arena.workspace.report import coding_rows, report_facts, verdict_rows
from mi_arena.workspace.report_files import ReportError, write_report
from mi_arena.workspace.study_reading import study_read


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = (
        "Write the MITI results as report.md, CSV tables and PNG plots: by pair, epoch and system, "
        "with agreement and paired differences. Tells arms: keep it from raters while they rate. "
        "Exit codes: 0 done, 2 bad input or a store that cannot be read."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument(
        "--data", type=Path, help="folder of the records (default: MI_ARENA_DATA, or ./data)"
    )


def run(options: argparse.Namespace) -> int:
    """Write the report and name its files."""
    try:
        with study_read(options.data or load_settings().data) as study:
            codings = list(coding_rows(study.books, study.material))
            verdicts = list(verdict_rows(study.books))
            facts = report_facts(study.store)
        try:
            results, matches = miti_results(codings), match_results(verdicts)
        except ValueError as error:
            raise ReportError(f"the records contradict themselves: {error}") from None
        for path in write_report(results, options.out, matches=matches, facts=facts):
            print(path)
    except (BadInput, ReportError, SettingsError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
