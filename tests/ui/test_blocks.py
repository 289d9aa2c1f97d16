"""What the page's own Blocks tell a browser is what Gradio's tell it, without making anew what
doesn't change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from mi_arena.ui.blocks import Pages
from tests.ui.raw_http import RawCalls

Made = tuple[gr.Blocks, gr.HTML, gr.Textbox, gr.State, gr.Column]


def made(kind: type[gr.Blocks]) -> Made:
    with kind() as app:
        words, text, kept = gr.HTML("before"), gr.Textbox("before"), gr.State("before")
        with gr.Column() as column:
            button = gr.Button()
        outputs = [words, text, kept, column]
        button.click(lambda: None, None, outputs)
        button.click(lambda: None, None, [words])
        button.click(lambda: None, None, [kept])
    return app, words, text, kept, column


def told(app: gr.Blocks, number: int, given: Any, session: SessionState) -> list[Any]:
    answer = asyncio.run(app.postprocess_data(app.fns[number], given, session))
    # Gradio gives an HTML that doesn't change its own mark of an update as a property.
    return [
        {key: value for key, value in one.items() if key != "props"} if _is_html(one) else one
        for one in answer
    ]


def _is_html(update: object) -> bool:
    return isinstance(update, dict) and update.get("props") == gr.skip()


CASES: list[tuple[int, Callable[[Any, Any, Any, Any], Any]]] = [
    (0, lambda words, text, kept, column: {words: "<b>now</b>"}),
    (0, lambda words, text, kept, column: {text: gr.update(value="now", visible=False)}),
    (0, lambda words, text, kept, column: {kept: "now", column: gr.update(visible=False)}),
    (0, lambda words, text, kept, column: {words: gr.skip()}),
    (0, lambda words, text, kept, column: gr.skip()),
    (0, lambda words, text, kept, column: ["now", gr.skip(), gr.skip(), gr.update(visible=False)]),
    (0, lambda words, text, kept, column: ("now", "now", "now", gr.skip())),
    (0, lambda words, text, kept, column: {text: None, kept: None}),
    (1, lambda words, text, kept, column: "now"),
    (1, lambda words, text, kept, column: gr.skip()),
    (1, lambda words, text, kept, column: {words: gr.update(visible=False)}),
    (2, lambda words, text, kept, column: "now"),
    (2, lambda words, text, kept, column: {"a": "dict that is no update"}),
    (2, lambda words, text, kept, column: ["a list of one"]),
    (2, lambda words, text, kept, column: {kept: ["a list of one"]}),
    (1, lambda words, text, kept, column: ("a tuple of one",)),
]


@pytest.mark.parametrize(("number", "given"), CASES)
def test_what_is_told_equals_gradio_s(
    number: int, given: Callable[[Any, Any, Any, Any], Any]
) -> None:
    seen = []
    for kind in (gr.Blocks, Pages):
        app, *parts = made(kind)
        session = SessionState(app)
        answer = told(app, number, given(*parts), session)
        # States last over calls, and what a handler is given next.
        kept = [session[part._id] for part in parts if part.stateful]
        shown = [session[part._id].visible for part in parts if not part.stateful]
        seen.append((answer, kept, shown))
    assert seen[0] == seen[1]


def test_too_few_values_are_refused_as_before() -> None:
    app, *_ = made(Pages)
    with pytest.raises(ValueError, match="didn't return enough output values"):
        told(app, 0, ["one"], SessionState(app))


def test_what_does_not_change_is_not_made_anew() -> None:
    app, words, text, _, column = made(Pages)
    session = SessionState(app)
    told(app, 0, {words: "now", text: gr.update(visible=False)}, session)
    assert session[column._id] is app.blocks[column._id]
    assert session[text._id] is not app.blocks[text._id]


def test_sessions_keep_apart_what_they_changed_and_write_nothing_else_down() -> None:
    app, _, text, _, _ = made(Pages)
    one, another = SessionState(app), SessionState(app)
    told(app, 0, {text: gr.update(visible=False)}, one)
    assert (one[text._id].visible, another[text._id].visible) == (False, True)
    assert app.blocks[text._id].visible is True
    assert not any(one.components)
    # The page itself is told of every component, as ever.
    assert {part["id"] for part in app.get_config_file()["components"]} >= {text._id}


def test_no_component_is_told_how_far_an_event_is_that_shows_nothing(calls: RawCalls) -> None:
    """Each one told costs the browser a search through all components."""
    hidden = [one for one in calls.config["dependencies"] if one["show_progress"] == "hidden"]
    assert len(hidden) > 20
    assert [
        one["id"] for one in hidden if one["backend_fn"] and one["show_progress_on"] != []
    ] == []


def test_a_growing_reply_changes_two_components(calls: RawCalls) -> None:
    parts = {one["id"]: one["props"].get("elem_id") for one in calls.config["components"]}
    follows = [one for one in calls.handlers if one.name == "on_follow.then"]
    by_id = {one["id"]: one["outputs"] for one in calls.config["dependencies"]}
    assert len(follows) == 4
    names = {tuple(parts[o] for o in by_id[one.number]) for one in follows}
    assert names == {("live", "status", None)}  # and a state, which no browser is told of
