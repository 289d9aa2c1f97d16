"""An installed package has every file that its code reads."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["setuptools"]["package-data"]
FOR_READERS_OF_THE_CODE = {".py", ".md"}
TO_LEARN_FROM = "safety_lines/*.jsonl"
"""Asked for by training.safety_network in a checkout alone."""


@pytest.mark.parametrize("package", sorted(DATA))
def test_data_files_are_packed(package: str) -> None:
    here = ROOT / package
    files = [path for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert files
    patterns = [pattern.replace("**/", "*") for pattern in DATA[package]]
    names = [
        path.relative_to(here).as_posix()
        for path in files
        if path.suffix not in FOR_READERS_OF_THE_CODE
    ]
    packed = [*patterns, TO_LEARN_FROM]
    assert [name for name in names if not any(fnmatch(name, one) for one in packed)] == []
