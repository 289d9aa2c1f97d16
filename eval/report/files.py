"""The files of a report in its run directory; where ``report.json`` stands, all of them do."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.report.html_page import as_html
from eval.report.markdown import PLOTS, as_markdown
from eval.report.parts import Part, Plot
from eval.report.words import Words
from mi_arena.jobs.run_directory import write_atomically

TABLES = "tables"
REPORT = "report.json"


def write_report(
    folder: Path,
    title: str,
    lead: Sequence[str],
    parts: Sequence[Part],
    words: Words,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write text, page, tables, plots and numbers; returns the numbers.

    Tables and plots of an earlier report of this folder that are in this one no more are removed.
    """
    tables = {name: text for part in parts for name, text in part.tables.items()}
    plots = {
        f"{block.name}.png": block.png
        for part in parts
        for block in part.blocks
        if isinstance(block, Plot)
    }
    for name, kept in ((TABLES, tables.keys()), (PLOTS, plots.keys())):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).iterdir():
            if old.suffix in (".csv", ".png") and old.name not in kept:
                old.unlink()
    for name, text in tables.items():
        write_atomically(folder / TABLES / name, text)
    for name, png in plots.items():
        _write_bytes(folder / PLOTS / name, png)
    write_atomically(folder / "report.md", as_markdown(title, lead, parts))
    write_atomically(folder / "report.html", as_html(title, lead, parts, words))
    found = {"title": title, "lang": words.lang, **about}
    found |= {part.key: part.data for part in parts}
    found["files"] = [
        *("report.md", "report.html"),
        *(f"{TABLES}/{name}" for name in tables),
        *(f"{PLOTS}/{name}" for name in plots),
    ]
    write_atomically(folder / REPORT, report_json(found) + "\n")
    return found


def report_json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False)


def _write_bytes(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)
