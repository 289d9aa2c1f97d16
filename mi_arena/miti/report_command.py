"""``python -m mi_arena.miti report``: the study's MITI tables, from the codings on record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mi_arena.access.keyed import keyed_by
from mi_arena.records.store import DATABASE_NAME, EventStore, StoreError
from mi_arena.settings import SettingsError, load_settings
from mi_arena.study.match_results import match_results
from mi_arena.study.miti_results import miti_results
from mi_arena.workspace.ledger import Ledger
from mi_arena.workspace.material import MaterialStore
from mi_arena.workspace.report import coding_rows, report_facts, verdict_rows
from mi_arena.workspace.report_files import ReportError, write_report


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
        database = (options.data or load_settings().data) / DATABASE_NAME
        if not database.is_file():
            raise ReportError(f"there is no {database}: name the app's data folder with --data")
        store = EventStore(database, read_only=True)
        try:
            ledger = Ledger(store)
            # Ids are only compared with each other here, so any key does.
            material = MaterialStore(store, ledger, keyed_by(b"report"))
            books = ledger.now()
            codings, verdicts = list(coding_rows(books, material)), list(verdict_rows(books))
            facts = report_facts(store)
        finally:
            store.close()
        try:
            results, matches = miti_results(codings), match_results(verdicts)
        except ValueError as error:
            raise ReportError(f"the records contradict themselves: {error}") from None
        for path in write_report(results, options.out, matches=matches, facts=facts):
            print(path)
    except (ReportError, SettingsError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
