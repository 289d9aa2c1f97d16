"""How a run stands, in a line and up close."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.viewing import RunView, view_run
from mi_arena.ui.pipeline.run_html import run_html, run_label
from mi_arena.ui.texts import Lang


@pytest.mark.parametrize(
    ("lang", "ahead", "told"),
    [
        ("zh", 2, "排队中，前面还有 2 个"),
        ("zh", 0, "排队中，下一个就是它"),
        ("en", 1, "waiting, 1 ahead"),
        ("en", 0, "waiting, next in line"),
    ],
)
def test_a_waiting_run_says_how_many_are_ahead(
    tmp_path: Path, lang: Lang, ahead: int, told: str
) -> None:
    run = RunDirectory(tmp_path / "tune")
    run.prepare({})
    run.queue(ahead)
    seen = view_run(tmp_path, run.path)
    assert isinstance(seen, RunView)
    assert run_label(seen, lang) == f"tune · {told}"
    assert told in run_html(seen, lang)
