"""A release in a folder, read and changed as whoever has downloaded it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import Table
from pyarrow.parquet import ParquetFile, write_table

from mi_arena.study.__main__ import main as study_main


def verify(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> tuple[int, Any]:
    code = study_main(["verify", str(folder), "--json", *more])
    out = capsys.readouterr()
    return code, json.loads(out.out) if out.out else out.err


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "epochs.json").read_text())


def change_epoch(folder: Path, number: int = 0, **changes: object) -> None:
    epochs = epochs_of(folder)
    epochs[number].update(changes)
    (folder / "epochs.json").write_text(json.dumps(epochs))


Rows = list[dict[str, Any]]


def rewritten(
    folder: Path, change: Callable[[Rows], Rows], table: str = "battles", typed: bool = True
) -> None:
    """With the table's own types, or with those that the changed rows have."""
    path = folder / table / "train.parquet"
    with ParquetFile(path) as file:
        read = file.read()
    changed = change(read.to_pylist())
    write_table(Table.from_pylist(changed, schema=read.schema if typed else None), path)


def with_all(**columns: object) -> Callable[[Rows], Rows]:
    """Every row with these values."""
    return lambda rows: [row | columns for row in rows]


def problems_of(told: dict[str, Any]) -> list[str]:
    places = [*(epoch["problems"] for epoch in told["epochs"]), told["others"]]
    return [one["what"] for place in places for one in place]


def swapped(row: dict[str, Any]) -> dict[str, Any]:
    """A judgement with its sides the other way round, and the same words."""
    sides = {"a_system": row["b_system"], "b_system": row["a_system"]}
    return row | sides | {"preferred": {"A": row["b_system"], "B": row["a_system"]}[row["overall"]]}


def only(about: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Rows], Rows]:
    """Changes the judgements of battles or of matches."""
    return lambda rows: [change(row) if row["about"] == about else row for row in rows]
