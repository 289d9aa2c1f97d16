"""Beside a run: send what it made to experts, see how far they are, fetch their answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from mi_arena.battles.refusal import Refused
from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.viewing import RunView
from mi_arena.ui.pipeline.admins import Updates
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, said, say
from mi_arena.workspace.review_material import rewritten, sample, task_of
from mi_arena.workspace.review_results import PEOPLE, answered, write_results
from mi_arena.workspace.reviews import SetForAdmin
from mi_arena.workspace.workspace import Workspace

EACH = {"rating": 2, "rewrite": 1}
"""Experts for each dialogue, unless the admin says otherwise."""
SIZE = 50
LIMITS = {"size": (1, 1_000), "each": (1, 20), "seed": (0, 10**9)}


@dataclass(frozen=True)
class Parts:
    """The components, in the order in which they stand on the page."""

    frame: gr.Accordion
    told: gr.HTML
    size: gr.Textbox
    each: gr.Textbox
    seed: gr.Textbox
    send: gr.Button
    fetch: gr.Button
    close: gr.Button


class ReviewsPart:
    """``make`` it inside a ``gr.Blocks`` context; the page connects the buttons."""

    parts: Parts

    def __init__(self, workspace: Workspace, launcher: Launcher):
        self._workspace, self._launcher = workspace, launcher
        self._writing = threading.Lock()

    def make(self) -> None:
        with gr.Accordion("…", open=True, visible=False, elem_id="reviews") as frame:
            told = gr.HTML(elem_id="reviews-told")
            with gr.Row():
                short: dict[str, Any] = {"max_length": 10, "min_width": 120}
                size = gr.Textbox(str(SIZE), elem_id="reviews-size", **short)
                each = gr.Textbox("", elem_id="reviews-each", **short)
                seed = gr.Textbox("0", elem_id="reviews-seed", **short)
            with gr.Row():
                send = gr.Button(variant="primary", elem_id="reviews-send")
                fetch = gr.Button(elem_id="reviews-fetch")
                close = gr.Button(elem_id="reviews-close")
        self.parts = Parts(frame, told, size, each, seed, send, fetch, close)

    def outputs(self) -> list[Any]:
        return list(vars(self.parts).values())

    def words(self, session: Session) -> Updates:
        lang, parts = session.lang, self.parts
        return {
            parts.frame: gr.update(label=say(lang, "panel_reviews")),
            parts.size: gr.update(label=say(lang, "panel_size")),
            parts.each: gr.update(label=say(lang, "panel_each")),
            parts.seed: gr.update(label=say(lang, "panel_seed")),
            parts.send: gr.update(value=say(lang, "panel_send")),
            parts.fetch: gr.update(value=say(lang, "panel_fetch")),
            parts.close: gr.update(value=say(lang, "panel_close")),
        }

    def state(self, run: RunView | None, lang: Lang) -> list[Any]:
        """All that the part shows, as JSON: it is painted again when this has changed."""
        task = task_of(run.path) if run else None
        if run is None or task is None:
            return []
        sets = self._workspace.reviews.of_run(run.name)
        lines = [said(lang, f"panel_{task}_lead")]
        # A sample is whole before the judge begins; rewritings are when their run has ended.
        ready = task == "rating" or not run.active
        if not ready:
            lines.append(said(lang, "panel_waits"))
        lines += [_standing(one, lang) for one in sets]
        if task == "rating" and (run.path / PEOPLE).is_file():
            lines.append(said(lang, "panel_people_next"))
        open_ = any(not one.set.closed for one in sets)
        return [
            run.name,
            task,
            "".join(f"<p>{line}</p>" for line in lines),
            ready,
            open_,
            bool(sets),
        ]

    def paint(self, state: list[Any], *, other_run: bool) -> Updates:
        """What a state looks like. Numbers are set only when another run is looked at."""
        parts = self.parts
        if not state:
            return {parts.frame: gr.update(visible=False)}
        _, task, html, ready, open_, sent = state
        draws, may_send = task == "rewrite", ready and not open_
        number: Updates = {"value": str(EACH[task])} if other_run else {}
        return {
            parts.frame: gr.update(visible=True),
            parts.told: html,
            parts.size: gr.update(visible=draws and may_send),
            parts.seed: gr.update(visible=draws and may_send),
            parts.each: gr.update(visible=may_send, **number),
            parts.send: gr.update(visible=may_send),
            parts.fetch: gr.update(visible=sent),
            parts.close: gr.update(visible=open_),
        }

    # ---- actions of an admin; each returns the sentence that says what was done

    def send(self, lang: Lang, name: str, size: object, each: object, seed: object) -> str:
        """Send what has too few answers to the experts. Raises ``Refused`` and ``JobError``."""
        run = self._launcher.status(name)
        task, experts = task_of(run.path), _number(lang, "each", each)
        reviews = self._workspace.reviews
        if any(not one.set.closed for one in reviews.of_run(run.name)):
            raise Refused("review_open_already")
        items = answered(self._workspace.ledger.now(), run.name)
        done = {one.item.name for one in items if len(one.answers) >= experts}
        if task == "rating":
            offered = [one for one in sample(run.path) if one.name not in done]
            if not offered:
                raise Refused("review_nothing_left")
            reviews.send(run.name, task, offered, experts)
        elif task == "rewrite" and not run.active:
            drawn = _number(lang, "seed", seed)
            offered = rewritten(run.path, _number(lang, "size", size), drawn, done)
            reviews.send(run.name, task, offered, experts, drawn)
        else:
            raise Refused("review_nothing_left")
        return say(lang, "panel_sent", n=len(offered))

    def fetch(self, lang: Lang, name: str) -> str:
        """Write what was answered into the run's folder. Raises ``Refused`` and ``JobError``."""
        run = self._launcher.status(name)
        items = answered(self._workspace.ledger.now(), run.name)
        if not items:
            raise Refused("review_none_given")
        with self._writing:
            names = write_results(run.path, items[0].set.told.task, items)
        joined = ("、" if lang == "zh" else ", ").join(names)
        return say(lang, "panel_fetched", n=len(items), names=joined)

    def close(self, lang: Lang, name: str) -> str:
        """Take no more answers. Raises ``Refused`` and ``JobError``."""
        self._workspace.reviews.close(self._launcher.status(name).name)
        return say(lang, "panel_closed")


def _standing(one: SetForAdmin, lang: Lang) -> str:
    state = say(lang, "panel_ended" if one.set.closed else "panel_open")
    return escape(
        say(
            lang,
            "panel_standing",
            at=f"{one.set.at:%Y-%m-%d %H:%M} UTC",
            n=len(one.set.items),
            each=one.set.told.each,
            answers=one.answers,
            wanted=one.wanted,
            raters=one.raters,
            state=state,
        )
    )


def _number(lang: Lang, name: str, given: object) -> int:
    low, high = LIMITS[name]
    text = str(given).strip()
    if text.isascii() and text.isdecimal() and len(text) < 11 and low <= int(text) <= high:
        return int(text)
    raise Refused("out_of_range", field=say(lang, f"panel_{name}"), low=low, high=high)
