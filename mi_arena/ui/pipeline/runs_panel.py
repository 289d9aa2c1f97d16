"""The list of runs and one of them up close: progress, log, result, files; stop and resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gradio as gr

from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.viewing import RunView
from mi_arena.ui.events import UNTOLD
from mi_arena.ui.pipeline.admins import Admins, Planned, Updates
from mi_arena.ui.pipeline.downloads import Downloads
from mi_arena.ui.pipeline.run_html import files_html, log_html, run_html, run_label
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, said, say
from mi_arena.ui.transcript import note_html

MOST_RUNS = 30
TICK_SECONDS = 1.5

Result = Callable[[RunView, Lang], str]
"""What came of a run, as HTML; empty where there is nothing to show yet."""


class Beside(Protocol):
    """A part of a page about the run that is looked at, below its result."""

    def make(self) -> None: ...

    def outputs(self) -> list[Any]: ...

    def words(self, session: Session) -> Updates: ...

    def state(self, run: RunView | None, lang: Lang) -> list[Any]: ...

    def paint(self, state: list[Any], *, other_run: bool) -> Updates: ...


@dataclass(frozen=True)
class Parts:
    """The components, in the order in which they stand on the page."""

    heading: gr.Markdown
    refresh: gr.Button
    chosen: gr.Radio
    detail: gr.HTML
    stop: gr.Button
    resume: gr.Button
    result_frame: gr.Accordion
    result: gr.HTML
    log_frame: gr.Accordion
    log: gr.HTML
    files_frame: gr.Accordion
    files: gr.HTML


class RunsPanel:
    """Made inside a ``gr.Blocks`` context. ``name`` tells the panels of several tabs apart."""

    def __init__(
        self,
        name: str,
        launcher: Launcher,
        scripts: frozenset[str],
        downloads: Downloads,
        result: Result,
        changed: Callable[[Session], Updates],
        changed_outputs: list[Any],
        admins: Admins,
        browser: gr.BrowserState,
        beside: Beside | None = None,
        beside_first: bool = False,
        for_good: bool = False,
        log_open: bool = False,
    ):
        """``changed`` is asked when a run has begun or ended: there are files that weren't.

        ``beside`` stands below the result, or above it. ``for_good``: what these runs do can't be
        taken back, so none goes on unrecorded.
        """
        self._launcher, self._scripts = launcher, scripts
        self._downloads, self._result, self._changed = downloads, result, changed
        self._beside, self._for_good = beside, for_good
        heading = gr.Markdown()
        with gr.Row():
            chosen = gr.Radio([], elem_id=f"{name}-runs", show_label=True, min_width=260)
            refresh = gr.Button(elem_id=f"{name}-refresh", scale=0, min_width=110)
        detail = gr.HTML(elem_id=f"{name}-run")
        with gr.Row():
            stop = gr.Button(elem_id=f"{name}-stop", visible=False)
            resume = gr.Button(elem_id=f"{name}-resume", visible=False)
        if beside and beside_first:
            beside.make()
        with gr.Accordion("…", open=True, visible=False) as result_frame:
            shown = gr.HTML(elem_id=f"{name}-result")
        if beside and not beside_first:
            beside.make()
        with gr.Accordion("…", open=log_open, visible=False) as log_frame:
            log = gr.HTML(elem_id=f"{name}-log")
        with gr.Accordion("…", open=False, visible=False) as files_frame:
            files = gr.HTML(elem_id=f"{name}-files")
        self.parts = Parts(
            heading, refresh, chosen, detail, stop, resume, result_frame, shown, log_frame, log,
            files_frame, files,
        )  # fmt: skip
        # What is on the page already, so that a tick sends what has changed and nothing else.
        self.painted = gr.State({})
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        inputs = [browser, chosen, self.painted]
        outputs = self.outputs()
        for trigger, handler in (
            (self.timer.tick, admins.only(self.tick)),
            (refresh.click, admins.only(self.look)),
            (chosen.input, admins.only(self.look)),
            (stop.click, admins.act("stop", self.stop)),
            (resume.click, admins.act("resume", self.resume)),
        ):
            trigger(handler, inputs, [*outputs, *changed_outputs, admins.note], **UNTOLD)

    def outputs(self) -> list[Any]:
        beside = self._beside.outputs() if self._beside else []
        return [*vars(self.parts).values(), *beside, self.painted, self.timer]

    def words(self, session: Session) -> Updates:
        lang, parts = session.lang, self.parts
        return {
            parts.heading: f"### {say(lang, 'runs_title')}",
            parts.refresh: gr.update(value=say(lang, "refresh")),
            parts.chosen: gr.update(label=say(lang, "runs_choose")),
            parts.stop: gr.update(value=say(lang, "run_stop")),
            parts.resume: gr.update(value=say(lang, "run_resume")),
            parts.result_frame: gr.update(label=say(lang, "run_result")),
            parts.log_frame: gr.update(label=say(lang, "run_log")),
            parts.files_frame: gr.update(label=say(lang, "run_files")),
            self.painted: {},
            **(self._beside.words(session) if self._beside else {}),
        }

    # ---- actions of an admin

    def look(self, session: Session, chosen: object, _: object = None) -> Updates:
        """Everything anew."""
        return self.tick(session, chosen, {})

    def tick(self, session: Session, chosen: object, painted: object) -> Updates:
        """What has changed since it was painted last."""
        before = painted if isinstance(painted, dict) else {}
        lang, parts = session.lang, self.parts
        runs = self._runs()
        names = [run.name for run in runs]
        name = chosen if chosen in names else (names[0] if names else None)
        run = next((run for run in runs if run.name == name), None)
        now: dict[str, Any] = {
            "runs": [(run_label(one, lang), one.name) for one in runs],
            "name": name,
            "detail": run_html(run, lang) if run else f"<p>{said(lang, 'runs_none')}</p>",
            "active": run is not None and run.active,
            "resumable": run is not None
            and run.state in ("stopped", "lost", "failed")
            and run.by_app
            and run.script in self._scripts,
            "log": log_html(run, lang) if run else "",
        }
        still = run is None or (run.state, run.step, run.name) == tuple(before.get("at", ()))
        now["at"] = [run.state, run.step, run.name] if run else []
        now["states"] = [[one.name, one.state] for one in runs]
        now["beside"] = self._beside.state(run, lang) if self._beside else []
        updates: Updates = {self.painted: now, self.timer: gr.update(active=True)}
        if self._beside and now["beside"] != before.get("beside"):
            other = name != before.get("name")
            updates |= self._beside.paint(now["beside"], other_run=other)
        if now["states"] != before.get("states"):
            updates |= self._changed(session)
        if now["runs"] != before.get("runs") or name != chosen:
            # A tick may have been on its way while another run was chosen: it must not choose.
            kept: dict[str, Any] = {} if name == chosen and before else {"value": name}
            updates[parts.chosen] = gr.update(choices=now["runs"], **kept)
        for key, update in (
            ("detail", {parts.detail: now["detail"]}),
            ("active", {parts.stop: gr.update(visible=now["active"])}),
            ("resumable", {parts.resume: gr.update(visible=now["resumable"])}),
            (
                "log",
                {
                    parts.log: now["log"],
                    parts.log_frame: gr.update(visible=bool(now["log"])),
                },
            ),
        ):
            if now[key] != before.get(key):
                updates |= update
        if not still or not before:
            updates |= self._outcome(run, lang)
        return updates

    def stop(self, session: Session, chosen: object, _: object) -> Updates:
        self._launcher.stop(str(chosen))
        return self.look(session, chosen)

    def resume(self, session: Session, chosen: object, _: object) -> Updates | Planned:
        def begin() -> Updates:
            self._launcher.resume(str(chosen))
            return self.look(session, chosen)

        self._launcher.status(str(chosen))  # of what is no run nothing is planned
        return Planned(str(chosen), begin) if self._for_good else begin()

    # ---- inside

    def _runs(self) -> list[RunView]:
        """This tab's runs; those that don't tell their script are in all tabs."""
        ours = [run for run in self._launcher.runs() if run.script in self._scripts | {None}]
        return ours[:MOST_RUNS]

    def _outcome(self, run: RunView | None, lang: Lang) -> Updates:
        result = self._result(run, lang) if run else ""
        files = files_html(run, self._downloads, lang) if run else ""
        parts = self.parts
        return {
            parts.result: result,
            parts.result_frame: gr.update(visible=bool(result)),
            parts.files: files,
            parts.files_frame: gr.update(visible=bool(files)),
        }


def told(session: Session, key: str, kind: str, **values: object) -> str:
    """A sentence for the place of messages."""
    return note_html(say(session.lang, key, **values), kind)
