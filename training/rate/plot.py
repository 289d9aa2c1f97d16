"""The picture of a report: for each dimension, every corpus' mean with its interval.

Results in, PNG bytes out. English only: fonts may lack Chinese.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mi_arena.study.estimates import Estimate
from training.rate.results import COLUMNS, CorpusResult, Group
from training.rate.rubric import BY_NAME

WIDTH = 1200
"""Pixels."""
_INCHES = 8.0
_ROW = 0.36
"""Inches for each corpus in each dimension."""
_GREY = "#595959"
_STYLES: dict[Group, tuple[str, str, float]] = {
    "judge": ("#0072B2", "o", -0.16),
    "people": ("#D55E00", "D", 0.16),
}
"""Colour (of Okabe and Ito's palette), marker, and place within the row."""


def ratings_png(results: Mapping[Group, Sequence[CorpusResult]]) -> bytes:
    """One panel for each dimension and the total; whoever rated nothing is left out."""
    corpora = next(iter(results.values()), [])
    rows = max(1, len(corpora))
    height = len(COLUMNS) * (_ROW * rows + 0.75) + 0.9
    figure = Figure(figsize=(_INCHES, height), dpi=WIDTH / _INCHES, layout="constrained")
    labels = [drawable(one.corpus, number) for number, one in enumerate(corpora, 1)]
    for axes, name in zip(figure.subplots(len(COLUMNS), 1), COLUMNS, strict=True):
        for group, of_group in results.items():
            for row, one in enumerate(of_group):
                _interval(axes, one.estimates[name], row, group)
        most = BY_NAME[name].most if name in BY_NAME else 1
        axes.set_title(f"{name.replace('_', ' ')}, 0 to {most}", fontsize=9, loc="left")
        axes.set_xlim(-0.03 * most, 1.03 * most)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1] if most == 1 else range(most + 1))
        _rows(axes, labels)
    for group in results:
        colour, marker, _ = _STYLES[group]
        figure.axes[0].plot([], [], marker, color=colour, markersize=6, label=group)
    if results:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.suptitle("Ratings of corpora: mean and 95 % interval (hollow: no interval)", fontsize=10)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def drawable(name: str, number: int) -> str:
    """The name where any font has it, otherwise the corpus' number in the report."""
    plain = name.isascii() and name.isprintable() and "$" not in name
    return name[:40] if plain else f"corpus {number} of the report"


def _interval(axes: Axes, one: Estimate, row: int, group: Group) -> None:
    colour, marker, shift = _STYLES[group]
    y = row + shift
    if one.mean is None:
        across = axes.get_yaxis_transform()
        words = f"{group}: undefined"
        axes.text(0.01, y, words, color=_GREY, fontsize=7, va="center", transform=across)
        return
    if one.low is not None and one.high is not None:
        axes.plot([one.low, one.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
    fill = "white" if one.low is None else colour
    axes.plot(one.mean, y, marker, color=colour, markerfacecolor=fill, markersize=6, clip_on=False)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(1, len(labels)) - 0.5, -0.5)
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
