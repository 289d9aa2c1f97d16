"""Beside an evaluation that is looked at: its single rounds, sorted by how far systems differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.viewing import RunView
from mi_arena.ui.pipeline.admins import Updates
from mi_arena.ui.pipeline.evaluations import cautions_html, cautions_in
from mi_arena.ui.pipeline.round_rows import (
    CODES,
    NAME,
    ORDERS,
    Order,
    comparisons,
    ordered,
    pairs,
    read_rows,
    scores,
)
from mi_arena.ui.pipeline.rounds_html import (
    comparison_name,
    differences_figure,
    rounds_html,
    score_name,
)
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, say

A_PAGE = 10
FIRST_SCORE = "standard.rougeL"


@dataclass(frozen=True)
class Parts:
    """The components, in the order in which they stand on the page."""

    frame: gr.Accordion
    pair: gr.Dropdown
    comparison: gr.Dropdown
    score: gr.Dropdown
    order: gr.Dropdown
    plot: gr.Plot
    rows: gr.HTML
    before: gr.Button
    at: gr.HTML
    after: gr.Button


class RoundsPart:
    """``make`` it inside a ``gr.Blocks`` context; the page connects choosers and buttons."""

    parts: Parts

    def __init__(self, launcher: Launcher):
        self._launcher = launcher

    def make(self) -> None:
        plain: dict[str, Any] = {"filterable": False, "min_width": 170}
        with gr.Accordion("…", open=False, visible=False, elem_id="rounds") as frame:
            with gr.Row():
                pair = gr.Dropdown([], elem_id="rounds-pair", **plain)
                comparison = gr.Dropdown([], elem_id="rounds-comparison", **plain)
                score = gr.Dropdown([], elem_id="rounds-score", **plain)
                order = gr.Dropdown([], elem_id="rounds-order", **plain)
            plot = gr.Plot(elem_id="rounds-plot", show_label=False)
            rows = gr.HTML(elem_id="rounds-rows")
            with gr.Row(elem_id="rounds-pages"):
                before = gr.Button(elem_id="rounds-before", min_width=90, scale=0)
                at = gr.HTML(elem_id="rounds-at")
                after = gr.Button(elem_id="rounds-after", min_width=90, scale=0)
        self.page = gr.State(0)
        self.parts = Parts(frame, pair, comparison, score, order, plot, rows, before, at, after)

    def choosers(self) -> list[Any]:
        parts = self.parts
        return [parts.pair, parts.comparison, parts.score, parts.order]

    def outputs(self) -> list[Any]:
        return [*vars(self.parts).values(), self.page]

    def words(self, session: Session) -> Updates:
        lang, parts = session.lang, self.parts
        return {
            parts.frame: gr.update(label=say(lang, "rounds_title")),
            parts.pair: gr.update(label=say(lang, "rounds_pair")),
            parts.comparison: gr.update(label=say(lang, "rounds_comparison")),
            parts.score: gr.update(label=say(lang, "rounds_score")),
            parts.order: gr.update(label=say(lang, "rounds_order")),
            parts.before: gr.update(value=say(lang, "rounds_before")),
            parts.after: gr.update(value=say(lang, "rounds_after")),
        }

    def state(self, run: RunView | None, lang: Lang) -> list[Any]:
        """All that what is painted hangs on."""
        if run is None:
            return ["", lang, 0]
        try:
            return [run.name, lang, (run.path / NAME).stat().st_mtime_ns]
        except OSError:
            return [run.name, lang, 0]

    def paint(self, state: list[Any], *, other_run: bool) -> Updates:
        name, lang, made = state
        parts = self.parts
        rows = read_rows(self._launcher.status(name).path) if made else ()
        if not rows or not comparisons(rows):
            return {parts.frame: gr.update(visible=False)}
        by = scores(rows)
        first = FIRST_SCORE if FIRST_SCORE in by else by[0]
        names = pairs(rows)
        known = comparisons(rows)
        return {
            parts.frame: gr.update(visible=True),
            parts.pair: gr.update(choices=names, value=names[0], visible=len(names) > 1),
            parts.comparison: gr.update(
                choices=[(comparison_name(one, lang), one) for one in known], value=known[0]
            ),
            parts.score: gr.update(
                choices=[(score_name(one, lang), one) for one in by], value=first
            ),
            parts.order: gr.update(
                choices=[(say(lang, f"order_{one}"), one) for one in ORDERS], value=ORDERS[0]
            ),
            **self._shown(name, lang, (names[0], known[0], first, ORDERS[0]), 0),
        }

    # ---- actions of an admin

    def choose(self, session: Session, run: object, *chosen: object) -> Updates:
        """Another pair, comparison, score or order: from the first page on."""
        return self._shown(str(run), session.lang, chosen, 0)

    def turn(self, by: int) -> Any:
        """An action that goes so many pages on."""

        def turned(session: Session, run: object, page: object, *chosen: object) -> Updates:
            now = page if isinstance(page, int) else 0
            return self._shown(str(run), session.lang, chosen, now + by)

        return turned

    # ---- inside

    def _shown(self, run: str, lang: Lang, chosen: Any, page: int) -> Updates:
        pair, comparison, score, order = map(str, chosen)
        view = self._launcher.status(run)
        rows = read_rows(view.path)
        by: Order = next((one for one in ORDERS if one == order), ORDERS[0])
        found = ordered(rows, pair, comparison, score, by)
        pages = max(1, -(-len(found) // A_PAGE))
        page = min(max(page, 0), pages - 1)
        values = [value for _, value in found if value is not None]
        parts = self.parts
        begin = page * A_PAGE
        return {
            parts.plot: differences_figure(values, comparison, score, lang),
            parts.rows: (cautions_html(cautions_in(view, lang)) if CODES in scores(rows) else "")
            + rounds_html(found[begin : begin + A_PAGE], comparison, score, lang),
            parts.at: say(lang, "rounds_at", page=page + 1, pages=pages, n=len(found)),
            parts.before: gr.update(interactive=page > 0),
            parts.after: gr.update(interactive=page < pages - 1),
            self.page: page,
        }
