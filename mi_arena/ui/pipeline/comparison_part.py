"""Several runs over each other: what they measured as one figure, and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from mi_arena.jobs.launching import JobError, Launcher
from mi_arena.jobs.viewing import RunView
from mi_arena.ui.pipeline.admins import Updates
from mi_arena.ui.pipeline.loss_plot import COLOURS
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, say

MOST = len(COLOURS)


@dataclass(frozen=True)
class Compared:
    """Which runs are compared, and how."""

    name: str
    """Of the tab: it begins the names of components and of sentences."""
    scripts: frozenset[str]
    needed: str
    """The file of a run that can be compared."""
    figure: Callable[[Sequence[RunView], Lang], go.Figure | None]
    table: Callable[[Sequence[RunView], Lang], str]


class ComparisonPart:
    """``make`` it inside a ``gr.Blocks`` context; the page connects ``chosen``."""

    def __init__(self, launcher: Launcher, compared: Compared):
        self._launcher, self._of = launcher, compared
        self.chosen = gr.Dropdown(
            [], multiselect=True, max_choices=MOST, elem_id=f"{compared.name}-compare", render=False
        )

    def make(self) -> None:
        name = self._of.name
        with gr.Accordion("…", open=False, elem_id=f"{name}-comparison") as self.frame:
            self.chosen.render()
            self.plot = gr.Plot(elem_id=f"{name}-compared", show_label=False, visible=False)
            self.table = gr.HTML(elem_id=f"{name}-compared-table")

    def outputs(self) -> list[Any]:
        return [self.frame, self.chosen, self.plot, self.table]

    def words(self, session: Session) -> Updates:
        lang, name = session.lang, self._of.name
        return {
            self.frame: gr.update(label=say(lang, f"{name}_compare")),
            self.chosen: gr.update(label=say(lang, f"{name}_compare_which")),
        }

    def choices(self) -> Updates:
        """The runs that can be compared now."""
        runs = [run for run in self._launcher.runs() if self._comparable(run)]
        return {self.chosen: gr.update(choices=[run.name for run in runs])}

    def compare(self, session: Session, chosen: object) -> Updates:
        """The runs over each other, in the order in which they were chosen."""
        runs = []
        for name in chosen if isinstance(chosen, list) else []:
            try:
                runs.append(self._launcher.status(str(name)))
            except JobError:
                continue  # its folder was removed meanwhile
        if not runs:
            return {self.plot: gr.update(visible=False), self.table: ""}
        figure = self._of.figure(runs, session.lang)
        return {
            self.plot: gr.update(value=figure, visible=figure is not None),
            self.table: self._of.table(runs, session.lang),
        }

    def _comparable(self, run: RunView) -> bool:
        return run.script in self._of.scripts and (run.path / self._of.needed).is_file()
