"""Several fine-tunes over each other: their curves, and the settings in which they differ."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mi_arena.jobs.launching import JobError, Launcher
from mi_arena.jobs.viewing import RunView, metrics
from mi_arena.ui.pipeline.admins import Updates
from mi_arena.ui.pipeline.loss_plot import COLOURS, loss_figure
from mi_arena.ui.pipeline.training_html import CONFIG, comparison_html
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say

MOST = len(COLOURS)


class ComparisonPart:
    """``make`` it inside a ``gr.Blocks`` context; the page connects ``chosen``."""

    def __init__(self, launcher: Launcher, scripts: frozenset[str]):
        self._launcher, self._scripts = launcher, scripts
        self.chosen = gr.Dropdown(
            [], multiselect=True, max_choices=MOST, elem_id="train-compare", render=False
        )

    def make(self) -> None:
        with gr.Accordion("…", open=False, elem_id="train-comparison") as self.frame:
            self.chosen.render()
            self.plot = gr.Plot(elem_id="train-compared", show_label=False, visible=False)
            self.table = gr.HTML()

    def outputs(self) -> list[Any]:
        return [self.frame, self.chosen, self.plot, self.table]

    def words(self, session: Session) -> Updates:
        lang = session.lang
        return {
            self.frame: gr.update(label=say(lang, "train_compare")),
            self.chosen: gr.update(label=say(lang, "train_compare_which")),
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
        figure = loss_figure({run.name: metrics(run.path) for run in runs}, session.lang)
        return {
            self.plot: gr.update(value=figure, visible=figure is not None),
            self.table: comparison_html(runs, session.lang),
        }

    def _comparable(self, run: RunView) -> bool:
        return run.script in self._scripts and (run.path / CONFIG).is_file()
