"""Beside a fine-tune that is looked at: its curves, and what can be done with what it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.viewing import RunView, metrics
from mi_arena.pairs import RegistryError, load_registry
from mi_arena.serving import CannotServe, Serving
from mi_arena.ui.pipeline.admins import Updates
from mi_arena.ui.pipeline.loss_plot import loss_figure
from mi_arena.ui.pipeline.training_html import CONFIG
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, say
from mi_arena.ui.transcript import note_html

PAIR = "pair.yaml"
"""What a finished fine-tune leaves for the arena."""


@dataclass(frozen=True)
class Parts:
    """The components, in the order in which they stand on the page."""

    serve: gr.Button
    unserve: gr.Button
    clone: gr.Button
    plot: gr.Plot


class TrainingPart:
    """``make`` it inside a ``gr.Blocks`` context; the page connects the buttons."""

    parts: Parts

    def __init__(self, launcher: Launcher, serving: Serving):
        self._launcher, self._serving = launcher, serving

    def make(self) -> None:
        with gr.Row():
            serve = gr.Button(variant="primary", elem_id="train-serve", visible=False)
            unserve = gr.Button(elem_id="train-unserve", visible=False)
            clone = gr.Button(elem_id="train-clone", visible=False)
        plot = gr.Plot(elem_id="train-plot", show_label=False, visible=False)
        self.parts = Parts(serve, unserve, clone, plot)

    def outputs(self) -> list[Any]:
        return list(vars(self.parts).values())

    def words(self, session: Session) -> Updates:
        lang, parts = session.lang, self.parts
        return {
            parts.serve: gr.update(value=say(lang, "train_serve")),
            parts.unserve: gr.update(value=say(lang, "train_unserve")),
            parts.clone: gr.update(value=say(lang, "train_clone")),
        }

    def state(self, run: RunView | None, lang: Lang) -> list[Any]:
        """All that what is painted hangs on."""
        if run is None:
            return ["", lang, 0, False, False, False]
        served = self._served_id(run) in {pair.id for pair in self._serving.added()}
        made = run.state == "done" and (run.path / PAIR).is_file()
        return [
            run.name,
            lang,
            _size(run),
            made and not served,
            served,
            (run.path / CONFIG).is_file(),
        ]

    def paint(self, state: list[Any], *, other_run: bool) -> Updates:
        name, lang, size, can_serve, served, can_clone = state
        parts = self.parts
        figure = None
        if size:
            run = self._launcher.status(name)
            figure = loss_figure({name: metrics(run.path)}, lang)
        return {
            parts.plot: gr.update(value=figure, visible=figure is not None),
            parts.serve: gr.update(visible=can_serve),
            parts.unserve: gr.update(visible=served),
            parts.clone: gr.update(visible=can_clone),
        }

    # ---- actions of an admin, each told in one sentence; they raise ``CannotServe`` with another

    def serve(self, session: Session, chosen: object) -> str:
        """Put what the run made into the arena."""
        run = self._launcher.status(str(chosen))
        try:
            pair, warning = self._serving.add(run.path / PAIR)
        except CannotServe as error:
            why = say(session.lang, "train_not_served", why=str(error))
            raise CannotServe(why) from None
        told = say(session.lang, "train_served", name=getattr(pair.name, session.lang))
        return note_html(f"{told} {warning}" if warning else told, "plain" if warning else "good")

    def unserve(self, session: Session, chosen: object) -> str:
        """No battle begins on it any more."""
        run = self._launcher.status(str(chosen))
        self._serving.remove(self._served_id(run))
        return note_html(say(session.lang, "train_unserved"), "good")

    def _served_id(self, run: RunView) -> str:
        try:
            return next(iter(load_registry(run.path / PAIR)), "")
        except RegistryError:
            return ""


def _size(run: RunView) -> int:
    """Bytes of the metrics: they grow with every line."""
    try:
        return (run.path / "metrics.jsonl").stat().st_size
    except OSError:
        return 0
