"""Losses and learning rates of training runs as one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mi_arena.jobs.viewing import RunView, metrics
from mi_arena.ui.texts import Lang, say

SMOOTHING = 0.8
"""Weight of what was before; 0 smooths nothing."""
MOST_POINTS = 1_000
COLOURS = ("#0f766e", "#b45309", "#4338ca", "#be123c", "#0369a1", "#4d7c0f", "#7e22ce", "#57534e")
Records = Sequence[Mapping[str, Any]]


def smoothed(values: Sequence[float], weight: float = SMOOTHING) -> list[float]:
    """An exponential mean that starts unbiased, as TensorBoard's does."""
    made: list[float] = []
    mean = norm = 0.0
    for value in values:
        mean = weight * mean + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        made.append(mean / norm)
    return made


def series(records: Records, name: str) -> tuple[list[float], list[float]]:
    """Steps and values of one metric, thinned to what a plot can show."""
    points = [
        (float(record["step"]), float(record[name]))
        for record in records
        if isinstance(record.get(name), int | float) and isinstance(record.get("step"), int | float)
    ]
    apart = max(1, len(points) // MOST_POINTS)
    # The last one always: it is what is looked for.
    kept = points[:-1:apart] + points[-1:]
    return [step for step, _ in kept], [value for _, value in kept]


def loss_figure(runs: Mapping[str, Records], lang: Lang) -> go.Figure | None:
    """One run, or several over each other: raw and smoothed loss, validation, learning rate.

    ``None`` where nothing has been measured yet.
    """
    if not any(series(records, name)[0] for records in runs.values() for name in NAMES):
        return None
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.06
    )
    for number, (run, records) in enumerate(runs.items()):
        own = f"{run} · " if len(runs) > 1 else ""
        _add_run(figure, records, own, COLOURS[number % len(COLOURS)], lang)
    figure.update_yaxes(title_text=say(lang, "plot_loss"), row=1, col=1)
    figure.update_yaxes(title_text=say(lang, "metric_learning_rate"), row=2, col=1)
    figure.update_xaxes(title_text=say(lang, "plot_step"), row=2, col=1)
    figure.update_layout(
        height=440,
        margin={"l": 60, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        hovermode="x unified",
        template="plotly_white",
        # The same view as before when a point is added: who has zoomed in stays there.
        uirevision="|".join(runs),
    )
    return figure


def losses_of(runs: Sequence[RunView], lang: Lang) -> go.Figure | None:
    """Of what the runs have noted so far."""
    return loss_figure({run.name: metrics(run.path) for run in runs}, lang)


NAMES = ("loss", "validation_loss")


def _add_run(figure: go.Figure, records: Records, own: str, colour: str, lang: Lang) -> None:
    steps, losses = series(records, "loss")
    plain: dict[str, Any] = {"mode": "lines", "hovertemplate": "%{y:.4f}"}
    if not own:
        raw = go.Scatter(
            x=steps, y=losses, name=say(lang, "plot_raw"), line={"color": colour, "width": 1},
            opacity=0.35, **plain,
        )  # fmt: skip
        figure.add_trace(raw, row=1, col=1)
    figure.add_trace(
        go.Scatter(
            x=steps, y=smoothed(losses), name=f"{own}{say(lang, 'plot_smoothed')}",
            line={"color": colour, "width": 2.2}, **plain,
        ),
        row=1, col=1,
    )  # fmt: skip
    steps, losses = series(records, "validation_loss")
    figure.add_trace(
        go.Scatter(
            x=steps, y=losses, name=f"{own}{say(lang, 'plot_validation')}", mode="lines+markers",
            line={"color": colour if own else COLOURS[1], "width": 1.6, "dash": "dot"},
            marker={"size": 9, "symbol": "diamond"}, hovertemplate="%{y:.4f}",
        ),
        row=1, col=1,
    )  # fmt: skip
    steps, rates = series(records, "learning_rate")
    figure.add_trace(
        go.Scatter(
            x=steps, y=rates, name=f"{own}{say(lang, 'metric_learning_rate')}", showlegend=False,
            mode="lines", line={"color": colour, "width": 1.4}, hovertemplate="%{y:.2e}",
        ),
        row=2, col=1,
    )  # fmt: skip
