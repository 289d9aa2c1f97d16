"""The release, from the Study tab: built as a run, looked at, and then brought to the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from mi_arena.jobs.script import BadInput
from mi_arena.jobs.viewing import RunView
from mi_arena.release.manifest import MANIFEST, read_manifest
from mi_arena.ui.pipeline.admins import Acted, Admins, Planned, Updates
from mi_arena.ui.pipeline.runs_panel import RunsPanel, told
from mi_arena.ui.pipeline.tools import RELEASE as MODULE
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.session import Session
from mi_arena.ui.study.health_html import tables_html
from mi_arena.ui.texts import Lang, said, say

FOLDER = "release"
"""Of the release inside the folder of the run that built it."""


class ReleasePart:
    """Made inside a ``gr.Blocks`` context."""

    def __init__(
        self,
        tools: PipelineTools,
        admins: Admins,
        browser: gr.BrowserState,
        kept: Callable[[Session], Updates],
        kept_outputs: list[Any],
    ):
        """``kept`` tells anew how records are kept and released: a run that has ended may have
        released some."""
        self._tools, self._kept = tools, kept
        self.where = gr.HTML(elem_id="release-where")
        with gr.Row():
            self.build = gr.Button(elem_id="release-build", min_width=170)
            self.sure = gr.Checkbox(value=False, elem_id="release-sure")
            self.push = gr.Button(elem_id="release-push", min_width=170, interactive=False)
        self.note = gr.HTML(elem_id="release-note")
        admins = admins.beside(self.note)
        # What these runs say on their consoles is all that they say: it is open from the start.
        self.runs = RunsPanel(
            "release", tools.launcher, frozenset({MODULE}), tools.downloads, self._result,
            self._changed, kept_outputs, admins, browser, for_good=True, log_open=True,
        )  # fmt: skip
        quiet: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        shown = [*self.outputs(), *kept_outputs]
        built = admins.act("build-release", self.on_build)
        pushed = admins.act("push-release", self.on_push)
        self.build.click(built, [browser], shown, **quiet)
        self.push.click(pushed, [browser, self.runs.parts.chosen, self.sure], shown, **quiet)

    def outputs(self) -> list[Any]:
        return [self.where, self.build, self.sure, self.push, self.note, *self.runs.outputs()]

    def words(self, session: Session) -> Updates:
        lang, repo = session.lang, self._tools.release
        where = said(lang, "release_where", repo=repo) if repo else said(lang, "release_nowhere")
        return {
            self.where: f"<p>{where}</p>",
            self.build: gr.update(value=say(lang, "release_build")),
            self.sure: gr.update(label=say(lang, "release_sure"), interactive=repo is not None),
            self.push: gr.update(value=say(lang, "release_push"), interactive=repo is not None),
            **self.runs.words(session),
        }

    # ---- actions of an admin

    def on_build(self, session: Session) -> Acted:
        folder = self._tools.launcher.new_folder("release")
        words = ["build", f"--out={folder.resolve() / FOLDER}", f"--data={self._data}"]
        return Acted(self._begun(session, folder, words), folder.name)

    def on_push(self, session: Session, chosen: object, sure: object) -> Acted | Planned:
        built = self._built(chosen)
        if self._tools.release is None:
            return self._not_done(session, "release_nowhere")
        if built is None:
            return self._not_done(session, "release_choose")
        if sure is not True:
            return self._not_done(session, "study_not_sure")

        def begin() -> Updates:
            folder = self._tools.launcher.new_folder("release-push")
            begun = self._begun(session, folder, ["push", str(built), f"--data={self._data}"])
            return {**begun, self.sure: gr.update(value=False)}

        return Planned(str(chosen), begin)

    # ---- inside

    @property
    def _data(self) -> Path:
        return self._tools.data.resolve()

    def _built(self, chosen: object) -> Path | None:
        """The release that a run of this part has built; ``None`` for whatever else is named."""
        runs = {run.name: run.path for run in self._tools.launcher.runs() if run.script == MODULE}
        folder = runs.get(chosen) if isinstance(chosen, str) else None
        if folder is None or not (folder / FOLDER / MANIFEST).is_file():
            return None
        return folder.resolve() / FOLDER

    def _not_done(self, session: Session, key: str) -> Acted:
        return Acted({self.note: told(session, key, "bad")}, None, "refused")

    def _begun(self, session: Session, folder: Path, words: list[str]) -> Updates:
        run = self._tools.launcher.submit(folder, MODULE, words)
        # The runs come last: of one that has ended already nobody is told that it has begun.
        return {
            self.note: told(session, "release_begun", "good", name=run.name),
            **self.runs.look(session, run.name),
        }

    def _changed(self, session: Session) -> Updates:
        """What was said of a run that has begun holds until none is under way."""
        under_way = any(run.active for run in self._tools.launcher.runs() if run.script == MODULE)
        return self._kept(session) if under_way else {self.note: "", **self._kept(session)}

    def _result(self, run: RunView, lang: Lang) -> str:
        """What a built release holds."""
        try:
            held = read_manifest(run.path / FOLDER)
        except BadInput:
            return ""
        masked = ", ".join(f"{kind} {count}" for kind, count in held.masked.items())
        told = said(lang, "release_masked", what=masked or "–", n=held.tombstones)
        return f"{tables_html(held.tables, lang)}<p>{told}</p>"
