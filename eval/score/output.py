"""The files that a scoring leaves in its run directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.score.about import About
from eval.score.report import as_json, round_records
from eval.score.results import Results, ScoredRound
from eval.score.spreadsheet import as_csv
from eval.score.tables import as_markdown
from mi_arena.jobs.run_directory import write_atomically


def write_results(
    folder: Path, rounds: Sequence[ScoredRound], results: Results, about: About
) -> None:
    """Each file whole; ``scores.json`` last, so that where it stands all stand."""
    records = "".join(f"{_json(record)}\n" for record in round_records(rounds))
    write_atomically(folder / "rounds.jsonl", records)
    write_atomically(folder / "scores.csv", as_csv(results, about))
    write_atomically(folder / "scores.md", as_markdown(results, about))
    write_atomically(folder / "scores.json", results_json(results, about) + "\n")


def results_json(results: Results, about: About) -> str:
    return _json(as_json(results, about), indent=1)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
