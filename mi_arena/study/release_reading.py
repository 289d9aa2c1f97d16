"""A release's folder as it was downloaded, read by somebody who doesn't trust it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
from pydantic import TypeAdapter, ValidationError

from mi_arena.jobs.script import BadInput, first_line
from mi_arena.study.told import (
    BattleTold,
    CodingTold,
    EpochTold,
    JudgementTold,
    Rows,
    Told,
    Tombstone,
)

EPOCHS, TOMBSTONES = "epochs.json", "tombstones.jsonl"
TABLES = ("battles", "judgements", "codings")
_EPOCHS = TypeAdapter(list[EpochTold])
_BATTLES = TypeAdapter(list[BattleTold])
_JUDGEMENTS = TypeAdapter(list[JudgementTold])
_CODINGS = TypeAdapter(list[CodingTold])
T = TypeVar("T")


def read_release(folder: Path) -> Told:
    """What can be checked of it. Raises ``BadInput``."""
    epochs, gone = _content(folder / EPOCHS), _content(folder / TOMBSTONES).splitlines()
    withdrawn = _valid(
        folder / TOMBSTONES, lambda: [Tombstone.model_validate_json(line) for line in gone]
    )
    return Told(
        epochs=_valid(folder / EPOCHS, lambda: _EPOCHS.validate_json(epochs)),
        battles=_table(folder, "battles", BattleTold._fields, _BATTLES),
        judgements=_table(folder, "judgements", JudgementTold._fields, _JUDGEMENTS),
        codings=_table(folder, "codings", CodingTold._fields, _CODINGS),
        withdrawn=frozenset(one.battle for one in withdrawn),
    )


def whole_rows(folder: Path) -> Rows:
    """Every column of its tables. Raises ``BadInput``."""
    return {table: _rows(folder, table) for table in TABLES}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; name the folder of a whole release") from None


def _valid(place: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise _damaged(place, f"{where}: {first['msg']}") from None


def _table(
    folder: Path, table: str, columns: Sequence[str], type_: TypeAdapter[list[T]]
) -> list[T]:
    rows = _rows(folder, table, columns)
    return _valid(folder / table, lambda: type_.validate_python(rows))


def _rows(folder: Path, table: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    files = sorted((folder / table).glob("*.parquet"))
    if not files:
        raise BadInput(f"{folder / table}: has no parquet file; name the folder of a whole release")
    rows: list[dict[str, Any]] = []
    for path in files:
        try:
            with ParquetFile(path) as file:
                missing = sorted(set(columns or ()) - set(file.schema_arrow.names))
                if not missing:
                    rows += file.read(columns and list(columns)).to_pylist()
        except Exception as error:  # a damaged file makes the library raise all sorts
            raise _damaged(path, first_line(error)) from None
        if missing:
            raise _damaged(path, f"has no column {missing[0]}")
    return rows


def _damaged(place: Path, why: str) -> BadInput:
    return BadInput(f"{place}: {why}; download the release again")
