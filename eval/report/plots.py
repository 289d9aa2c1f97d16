"""The report's plots: numbers in, PNG bytes out.

Uses matplotlib's objects without pyplot, whose state all threads share. Labels are Chinese only
where a font for it is there.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eval.report.words import Lang, Words

WIDTH = 1100
"""Pixels."""
_INCHES = 7.5
_GREY = "#595959"
_COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#009E73", "#CC79A7", "#E69F00")
"""Okabe and Ito's palette, which colour-blind people can tell apart."""
_CHINESE = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "SimHei",
    "PingFang SC",
)


class Line(NamedTuple):
    """One row of a forest plot; ``value`` is ``None`` where it is undefined."""

    label: str
    value: float | None
    low: float | None
    high: float | None


@cache
def chinese_font() -> str | None:
    """A font on this machine that has Chinese characters."""
    known = set(font_manager.get_font_names())
    return next((font for font in _CHINESE if font in known), None)


def plot_words(lang: Lang) -> Words:
    """The language that labels are in."""
    return Words(lang if lang == "en" or chinese_font() else "en")


def forest(lines: Sequence[Line], title: str, axis: str, middle: float = 0.0) -> bytes:
    """A row for each estimate with its interval, and a line at ``middle``.

    Hollow where there is no interval, a dash where there is no estimate.
    """
    with rc_context(_fonts()):
        figure = _figure(0.3 * len(lines) + 1.3)
        axes = figure.subplots()
        axes.axvline(middle, color=_GREY, linewidth=1)
        for row, line in enumerate(lines):
            _estimate(axes, row, line)
        axes.set_yticks(range(len(lines)), [_drawable(line.label) for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_xlabel(_drawable(axis), fontsize=8)
        return _finished(figure, axes, title)


def lengths(by_system: Mapping[str, Sequence[int]], title: str, axis: str) -> bytes:
    """Boxes over quartiles, whiskers to the 5th and 95th percentile, the mean as a triangle."""
    with rc_context(_fonts()):
        figure = _figure(0.5 * len(by_system) + 1.3)
        axes = figure.subplots()
        boxes = axes.boxplot(
            [list(values) for values in by_system.values()],
            orientation="horizontal",
            tick_labels=[_drawable(f"{name} (n = {len(v)})") for name, v in by_system.items()],
            whis=(5, 95),
            showfliers=False,
            showmeans=True,
            patch_artist=True,
            widths=0.55,
        )
        for number, box in enumerate(boxes["boxes"]):
            box.set_facecolor(_COLOURS[number % len(_COLOURS)])
            box.set_alpha(0.5)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel(_drawable(axis), fontsize=8)
        return _finished(figure, axes, title)


def _estimate(axes: Axes, row: int, line: Line) -> None:
    colour = _COLOURS[0]
    if line.value is None:
        across = axes.get_yaxis_transform()
        axes.text(0.02, row, "–", color=_GREY, va="center", transform=across)
        return
    if line.low is not None and line.high is not None:
        axes.plot([line.low, line.high], [row, row], color=colour, linewidth=1.8)
    fill = "white" if line.low is None else colour
    axes.plot(line.value, row, "o", color=colour, markerfacecolor=fill, markersize=6)


def _finished(figure: Figure, axes: Axes, title: str) -> bytes:
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.suptitle(_drawable(title), fontsize=10)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def _figure(height: float) -> Figure:
    return Figure(figsize=(_INCHES, height), dpi=WIDTH / _INCHES, layout="constrained")


def _fonts() -> dict[Any, Any]:
    font = chinese_font()
    families = [font] if font else []
    return {"font.family": [*families, "DejaVu Sans"], "axes.unicode_minus": False}


def _drawable(text: str) -> str:
    """A dollar sign would begin a formula; without a font only ASCII can be drawn."""
    shown = text if chinese_font() else text.encode("ascii", "backslashreplace").decode()
    return shown.replace("$", r"\$")
