"""What came of a run, by the script that it is of; and texts of runs as far as they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

from mi_arena.jobs.viewing import RunView
from mi_arena.ui.texts import Lang

CONSOLE = "console.txt"
LONGEST_TEXT = 400_000
"""Characters of a report that are shown."""
Show = Callable[[RunView, Lang], str]


class ResultsByScript:
    """Each shows what is there already, also while the run goes on."""

    def __init__(self, by_script: Mapping[str, Show]):
        self._by_script = by_script

    def html(self, run: RunView, lang: Lang) -> str:
        """Empty where there is nothing to show."""
        show = self._by_script.get(run.script or "")
        shown = show(run, lang) if show else ""
        if show and not shown and run.state == "done":
            # What wrote nothing but what it says, such as an estimate.
            text = escape(shown_text(run.path / CONSOLE))
            shown = f'<pre class="run-log" tabindex="0">{text}</pre>'
        return shown


def shown_text(path: Path) -> str:
    """The beginning of a file, or nothing where it can't be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_TEXT)
    except OSError:
        return ""
