"""A table of a release as a parquet file: typed, and the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from datasets.utils.logging import disable_progress_bar

from mi_arena.release.schema import Row, features
from mi_arena.release.tables import Table

FILE = "train.parquet"
"""Inside the table's folder; the only split."""


def write_table(folder: Path, table: Table, rows: Sequence[Row]) -> Path:
    """Write ``TABLE/train.parquet`` below ``folder``; its path."""
    disable_progress_bar()
    typed = features(table)
    columns = {name: [row[name] for row in rows] for name in typed}
    path = folder / table / FILE
    path.parent.mkdir()
    Dataset.from_dict(columns, features=typed).to_parquet(path)
    return path
