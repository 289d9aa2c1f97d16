from __future__ import annotations

import io
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mi_arena.miti.coding import parse_coding
from mi_arena.miti.items import CODES, GLOBALS
from mi_arena.study.miti_results import CodingRow, GroupResults, miti_results
from mi_arena.workspace.report_plots import WIDTH, plots

TUNED = (0xD5, 0x5E, 0x00)
LINE = (0x59, 0x59, 0x59)


def group(pair: str = "demo", **globals_: int) -> GroupResults:
    """The globals of each system, moved by at most one from match to match."""
    rows = [
        CodingRow(
            dialogue=f"{match}{system}",
            match=str(match),
            system=system.replace("_", ":"),
            pair=pair,
            epoch="e1",
            source="expert",
            rater="ann",
            coding=parse_coding(
                {
                    "globals": dict.fromkeys(GLOBALS, value + match % 2),
                    "counts": dict.fromkeys(CODES, value),
                }
            ),
        )
        for match in range(4)
        for system, value in globals_.items()
    ]
    (only,) = miti_results(rows).groups
    return only


def pixels(found: GroupResults, kind: str) -> NDArray[np.uint8]:
    """(height, width, 3) of the plot of that kind."""
    (png,) = [plot.png for plot in plots(found) if plot.kind == kind]
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def where(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (image == colour).all(axis=2)
    return same


def test_plots_are_1200_pixels_wide_and_say_what_they_show() -> None:
    found = plots(group(base=2, tuned=4))
    assert [plot.kind for plot in found] == ["differences", "globals", "thresholds"]
    for plot in found:
        assert Image.open(io.BytesIO(plot.png)).size[0] == WIDTH == 1200
        assert "Expert codings, pair demo, epoch e1" in plot.shows


@pytest.mark.parametrize(("base", "tuned", "side"), [(1, 4, 1), (4, 1, -1)])
def test_a_difference_is_drawn_on_the_side_of_the_system_that_has_more(
    base: int, tuned: int, side: int
) -> None:
    image = pixels(group(base=base, tuned=tuned), "differences")
    # Below stand scores that do not differ.
    image = image[: len(image) // 2]
    zero = int(where(image, LINE).sum(axis=0).argmax())
    columns = np.flatnonzero(where(image, TUNED).any(axis=0))
    assert len(columns) > 0
    assert ((columns - zero) * side > 0).all()


@pytest.mark.parametrize("kind", ["globals", "thresholds"])
def test_a_plot_has_the_colour_of_each_system(kind: str) -> None:
    alone, both = group(base=2), group(base=2, tuned=4)
    assert not where(pixels(alone, kind), TUNED).any()
    assert where(pixels(both, kind), TUNED).any()


def test_higher_globals_are_drawn_further_right() -> None:
    means = [
        np.flatnonzero(where(pixels(group(tuned=value), "globals")[:300], TUNED).any(axis=0)).mean()
        for value in (1, 2, 4)
    ]
    assert means == sorted(means) and means[0] < means[-1] - 300


def test_higher_shares_fill_more() -> None:
    """Globals of 2 and 3 are not good, 4 and 5 are."""
    few, all_ = (pixels(group(tuned=value), "thresholds") for value in (2, 4))
    half = (np.array(TUNED) + 255) / 2
    filled = [int((np.abs(image - half) < 3).all(axis=2).sum()) for image in (few, all_)]
    assert filled[1] > filled[0] + 10_000


def test_names_that_fonts_or_formulas_trip_over_are_drawn_without_a_warning() -> None:
    found = group(pair="大模型 $x$", base=2, tuned=4, **{"remote_名$^$": 3})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = plots(found)
    assert all("大模型 $x$" in plot.shows for plot in drawn)


def test_threads_draw_what_one_alone_draws() -> None:
    groups = [group(base=1, tuned=value) for value in (2, 3)]
    alone = [plots(one) for one in groups]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(plots, groups)) == alone


def test_pyplot_is_not_loaded() -> None:
    program = (
        "import sys; import mi_arena.workspace.report_files; "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
