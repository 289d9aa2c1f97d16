"""Writes a report of the MITI results: text, tables and plots in a folder, all of it or nothing.

Knows file names and how a folder is replaced; what stands in the files comes from its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mi_arena.study.match_results import MatchResults
from mi_arena.study.miti_results import MitiResults
from mi_arena.workspace.report_plots import Plot, plots
from mi_arena.workspace.report_tables import TABLE_NAMES, csv_tables
from mi_arena.workspace.report_text import report_markdown

TEXT_NAME = "report.md"
_PLOT_NAME = re.compile(r"\d{2,}_[a-z_]+\.png")


class ReportError(ValueError):
    """The report cannot be written; one line that says why, and the mend."""


def write_report(
    results: MitiResults,
    folder: Path,
    *,
    matches: Sequence[MatchResults] = (),
    facts: Sequence[str] = (),
) -> list[Path]:
    """Write ``report.md``, five CSV files and the plots; returns their paths, the text first.

    ``facts`` are lines for the head of the text. An earlier report in ``folder`` is replaced as a
    whole; a folder that holds anything else is refused with :class:`ReportError`, as is one that
    can't be written. The same results and facts give the same bytes.
    """
    drawn = [
        [(_plot_name(number, plot), plot) for plot in plots(group)]
        for number, group in enumerate(results.groups, 1)
    ]
    figures = [[(name, plot.shows) for name, plot in of_group] for of_group in drawn]
    text = report_markdown(results, matches, facts, figures)
    files = {TEXT_NAME: text.encode()}
    files |= {name: table.encode() for name, table in csv_tables(results, matches).items()}
    files |= {name: plot.png for of_group in drawn for name, plot in of_group}
    # A link stays one: its target is replaced.
    target = folder.resolve()
    try:
        _replace(target, files)
    except OSError as error:
        raise ReportError(f"{folder}: the report cannot be written: {error.strerror}") from None
    return [folder / name for name in files]


def _plot_name(number: int, plot: Plot) -> str:
    """By the group's place in the report: names of pairs and epochs may not do as file names."""
    return f"{number:02d}_{plot.kind}.png"


def _replace(folder: Path, files: dict[str, bytes]) -> None:
    """Write beside ``folder`` and move into place; on failure what was there stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        new, old = Path(beside) / "new", Path(beside) / "old"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        _refuse_others(folder)
        if not folder.exists():
            new.rename(folder)
            return
        folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            old.rename(folder)
            raise


def _refuse_others(folder: Path) -> None:
    """Raises :class:`ReportError` where replacing the folder would lose something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ReportError(f"{folder} is a file; give a folder")
    for path in sorted(folder.iterdir()):
        ours = path.name in (TEXT_NAME, *TABLE_NAMES) or _PLOT_NAME.fullmatch(path.name)
        if not ours or not path.is_file():
            raise ReportError(
                f"{folder} holds {path.name}, not a part of a report; give another folder"
            )
