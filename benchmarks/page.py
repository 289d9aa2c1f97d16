"""What the server's one thread for everybody does for a page: ours beside Gradio's own Blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import gradio as gr
from gradio.state_holder import SessionState

from benchmarks.timing import Line, in_turn, seconds
from mi_arena.ui.blocks import Pages

COMPONENTS = 200
TIMES = 5


def page_lines(runs: int) -> list[Line]:
    """Of a page with as many components as ours: a reply grows, and a visitor comes."""
    ours, plain = _page(Pages), _page(gr.Blocks)
    return [
        _line(f"one of {COMPONENTS} components changes", _change(*ours), _change(*plain), runs),
        _line(
            f"a visitor comes to {COMPONENTS} components",
            _timed(lambda: SessionState(ours[0])),
            _timed(lambda: SessionState(plain[0])),
            runs,
        ),
    ]


def _page(kind: type[gr.Blocks]) -> tuple[gr.Blocks, list[gr.HTML]]:
    with kind() as app:
        parts = [gr.HTML() for _ in range(COMPONENTS)]
        gr.Button().click(lambda: None, None, parts)
    return app, parts


def _change(app: gr.Blocks, parts: list[gr.HTML]) -> Callable[[], float]:
    session = SessionState(app)
    given = {parts[0]: "a reply that grows"}
    return _timed(lambda: asyncio.run(app.postprocess_data(app.fns[0], given, session)))


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: seconds(lambda: [work() for _ in range(TIMES)])


def _line(what: str, ours: Callable[[], float], plain: Callable[[], float], runs: int) -> Line:
    mine, theirs, ratio = in_turn(ours, plain, runs)
    return Line(
        what,
        f"{mine / TIMES * 1000:.2f} ms",
        "Gradio's own Blocks",
        f"{theirs / TIMES * 1000:.2f} ms",
        ratio,
    )
