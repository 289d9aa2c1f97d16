"""The plots of a report: paired differences, globals by system, threshold shares.

Results in, PNG bytes out. Uses matplotlib's objects without pyplot, whose state all threads share.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mi_arena.miti.item_values import Item
from mi_arena.miti.items import CODES, GLOBALS
from mi_arena.miti.summary import THRESHOLDS
from mi_arena.study.estimates import Estimate
from mi_arena.study.miti_results import (
    Bar,
    GroupResults,
    PairedDifferences,
    SystemResults,
    ThresholdShares,
)
from mi_arena.workspace.report_words import group_title, item_name, limit

WIDTH = 1200
"""Pixels."""
_INCHES = 8.0
_ROW = 0.27
"""Inches that a line of a plot is high."""
_GREY = "#595959"


class _Style(NamedTuple):
    """Told apart by shape as well as by colour."""

    colour: str
    """Of Okabe and Ito's palette, which colour-blind people can tell apart."""
    marker: str


_STYLES: dict[str, _Style] = {
    "base": _Style("#0072B2", "o"),
    "base_prompted": _Style("#56B4E9", "s"),
    "tuned": _Style("#D55E00", "D"),
    "reference": _Style("#000000", "P"),
}
_REMOTE_STYLES = (_Style("#009E73", "^"), _Style("#CC79A7", "v"), _Style("#E69F00", "X"))
_SCALES: tuple[tuple[str, tuple[Item, ...]], ...] = (
    ("points (globals: 1 to 5)", (*GLOBALS, "technical", "relational")),
    ("behaviours per dialogue", (*CODES, "mia", "mina")),
    ("percentage points", ("percent_cr",)),
    ("reflections per question", ("r_to_q",)),
)
"""Items that can share an axis."""


class Plot(NamedTuple):
    """A drawn plot: ``kind`` goes into its file name, ``shows`` is its text for who can't see."""

    kind: str
    shows: str
    png: bytes


def plots(group: GroupResults) -> list[Plot]:
    """Differences where tuned and base share a match; globals and thresholds by system."""
    name = group_title(group)
    title = _drawable(name)
    found = []
    for one in group.differences:
        if (one.system, one.minus) == ("tuned", "base") and one.matches:
            shows = f"Paired differences, tuned minus base: {name}"
            found.append(Plot("differences", shows, _png(_differences(one, title))))
    shows = f"Globals by system: {name}"
    found.append(Plot("globals", shows, _png(_globals(group.systems, title))))
    shows = f"Share of dialogues that reach the thresholds: {name}"
    found.append(Plot("thresholds", shows, _png(_thresholds(group.systems, title))))
    return found


def _differences(one: PairedDifferences, title: str) -> Figure:
    sizes = [len(of_scale) for _, of_scale in _SCALES]
    figure = _figure(_ROW * sum(sizes) + 0.62 * len(sizes) + 1.0)
    every = figure.subplots(
        len(_SCALES), 1, gridspec_kw={"height_ratios": [n + 0.6 for n in sizes]}
    )
    for axes, (scale, of_scale) in zip(every, _SCALES, strict=True):
        axes.axvline(0, color=_GREY, linewidth=1)
        for row, item in enumerate(of_scale):
            _interval(axes, one.items[item], row, _STYLES["tuned"])
        _rows(axes, [f"{item_name(item)}, n = {one.items[item].n}" for item in of_scale])
        reach = max((abs(end) for item in of_scale for end in _ends(one.items[item])), default=1.0)
        reach = 1.08 * reach or 1.0
        axes.set_xlim(-reach, reach)
        axes.set_xlabel(scale)
    _head(
        figure,
        "Tuned minus base within matches, mean and 95 % interval\n"
        "left of 0: base has more; right of 0: tuned has more",
        title,
    )
    return figure


def _globals(systems: Sequence[SystemResults], title: str) -> Figure:
    apart = 0.7 / len(systems)
    figure = _figure(len(GLOBALS) * max(0.5, 0.2 * len(systems)) + 1.6)
    axes = figure.subplots()
    for place, (one, style) in enumerate(zip(systems, _styles(systems), strict=True)):
        shift = apart * (place - (len(systems) - 1) / 2)
        for row, key in enumerate(GLOBALS):
            _interval(axes, one.items[key], row + shift, style)
        label = f"{_drawable(one.system)}, dialogues: {one.dialogues}"
        axes.plot([], [], style.marker, color=style.colour, markersize=6, label=label)
    _rows(axes, [item_name(key) for key in GLOBALS])
    axes.set_xlim(0.9, 5.1)
    axes.set_xticks(range(1, 6))
    axes.set_xlabel("mean rating and 95 % interval")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    _head(figure, "Globals by system", title)
    return figure


def _thresholds(systems: Sequence[SystemResults], title: str) -> Figure:
    figure = _figure(2 * (0.55 * len(systems) + 0.9) + 0.8)
    every = figure.subplots(2, 2, sharey=True).flat
    for axes, score in zip(every, THRESHOLDS, strict=True):
        for row, (one, style) in enumerate(zip(systems, _styles(systems), strict=True)):
            _bars(axes, one.thresholds[score], row, style.colour)
        _rows(axes, [_drawable(one.system) for one in systems])
        axes.set_xlim(0, 100)
        axes.set_title(
            f"{item_name(score)}: fair {limit(score, 'fair'):g}, good {limit(score, 'good'):g}",
            fontsize=9,
        )
        axes.set_xlabel("% of dialogues")
    _head(
        figure,
        "Dialogues that are at least fair (outlined) and at least good (filled), 95 % interval",
        title,
    )
    return figure


def _bars(axes: Axes, shares: ThresholdShares, row: int, colour: str) -> None:
    """Both shares of one system, one above the other, and the n of both."""
    places: dict[Bar, float] = {"fair": row - 0.19, "good": row + 0.19}
    for bar, y in places.items():
        share = shares.at_least[bar]
        if share.value is None or share.low is None or share.high is None:
            _undefined(axes, row)
            continue
        fill = (colour, 0.5) if bar == "good" else "none"
        axes.barh(y, 100 * share.value, 0.34, color=fill, edgecolor=colour, linewidth=1.2)
        ends = [100 * share.low, 100 * share.high]
        axes.plot(ends, [y, y], color="black", linewidth=1.2, clip_on=False)
    n = shares.at_least["fair"].n
    axes.text(1.03, row, f"n = {n}", fontsize=7, va="center", transform=axes.get_yaxis_transform())


def _interval(axes: Axes, one: Estimate, y: float, style: _Style) -> None:
    """A mean with its interval; hollow where there is no interval, a word where no mean."""
    colour = style.colour
    if one.mean is None:
        _undefined(axes, y)
        return
    if one.low is not None and one.high is not None:
        axes.plot([one.low, one.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
    fill = "white" if one.low is None else colour
    axes.plot(one.mean, y, style.marker, color=colour, markerfacecolor=fill, markersize=6)


def _undefined(axes: Axes, y: float) -> None:
    across = axes.get_yaxis_transform()
    axes.text(0.02, y, "undefined", color=_GREY, fontsize=7, va="center", transform=across)


def _ends(one: Estimate) -> list[float]:
    return [end for end in (one.low, one.mean, one.high) if end is not None]


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    """The first row on top, with faint lines that lead the eye from a label to its row."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, length=2)
    axes.xaxis.label.set_fontsize(8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _styles(systems: Sequence[SystemResults]) -> list[_Style]:
    """Colour and marker of each; the remote ones take turns."""
    remote = [one.system for one in systems if one.system not in _STYLES]
    return [
        _STYLES.get(one.system) or _REMOTE_STYLES[remote.index(one.system) % len(_REMOTE_STYLES)]
        for one in systems
    ]


def _head(figure: Figure, what: str, title: str) -> None:
    figure.suptitle(f"{what}\n{textwrap.fill(title, 90)}", fontsize=10)


def _drawable(text: str) -> str:
    """ASCII, as fonts may lack the rest; a dollar sign would begin a formula."""
    return text.encode("ascii", "backslashreplace").decode().replace("$", r"\$")


def _figure(height: float) -> Figure:
    return Figure(figsize=(_INCHES, height), dpi=WIDTH / _INCHES, layout="constrained")


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()
