"""The release, from the Study tab: built as a run, looked at, and then brought to the Hub."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from mi_arena.jobs.script import BadInput
from mi_arena.jobs.viewing import RunView
from mi_arena.release.manifest import MANIFEST, read_manifest
from mi_arena.ui.pipeline.admins import Acted, Admins, Updates
from mi_arena.ui.pipeline.runs_panel import RunsPanel, told
from mi_arena.ui.pipeline.tools import RELEASE as MODULE
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.session import Session
from mi_arena.ui.study.health_html import tables_html
from mi_arena.ui.texts import Lang, said, say

FOLDER = "release"
"""Of the release inside the folder of the run that built it."""
CONSOLE = "console.txt"


class ReleasePart:
    """Made inside a ``gr.Blocks`` context."""

    def __init__(self, tools: PipelineTools, admins: Admins, browser: gr.BrowserState):
        self._tools, self._note = tools, admins.note
        with gr.Row():
            self.build = gr.Button(elem_id="release-build", min_width=170)
            self.sure = gr.Checkbox(value=False, elem_id="release-sure")
            self.push = gr.Button(elem_id="release-push", min_width=170)
        self.runs = RunsPanel(
            "release", tools.launcher, frozenset({MODULE}), tools.downloads, self._result,
            dict, [], admins, browser,
        )  # fmt: skip
        quiet: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        shown = [*self.outputs(), self._note]
        built = admins.act("build-release", self.on_build)
        pushed = admins.act("push-release", self.on_push)
        self.build.click(built, [browser], shown, **quiet)
        self.push.click(pushed, [browser, self.runs.parts.chosen, self.sure], shown, **quiet)

    def outputs(self) -> list[Any]:
        return [self.build, self.sure, self.push, *self.runs.outputs()]

    def words(self, session: Session) -> Updates:
        lang = session.lang
        return {
            self.build: gr.update(value=say(lang, "release_build")),
            self.sure: gr.update(label=say(lang, "release_sure")),
            self.push: gr.update(value=say(lang, "release_push")),
            **self.runs.words(session),
        }

    # ---- actions of an admin

    def on_build(self, session: Session) -> Acted:
        folder = self._tools.launcher.new_folder("release")
        words = ["build", f"--out={folder.resolve() / FOLDER}", f"--data={self._data}"]
        return self._begun(session, folder, words)

    def on_push(self, session: Session, chosen: object, sure: object) -> Acted:
        built = self._tools.launcher.root.resolve() / str(chosen or "") / FOLDER
        if not chosen or not (built / MANIFEST).is_file():
            return Acted({self._note: told(session, "release_choose", "bad")}, None, "refused")
        if sure is not True:
            return Acted({self._note: told(session, "study_not_sure", "bad")}, None, "refused")
        folder = self._tools.launcher.new_folder("release-push")
        begun = self._begun(session, folder, ["push", str(built), f"--data={self._data}"])
        return Acted({**begun.updates, self.sure: gr.update(value=False)}, begun.name)

    # ---- inside

    @property
    def _data(self) -> Path:
        return self._tools.data.resolve()

    def _begun(self, session: Session, folder: Path, words: list[str]) -> Acted:
        run = self._tools.launcher.submit(folder, MODULE, words)
        updates = {
            self._note: told(session, "data_begun", "good", name=run.name),
            **self.runs.look(session, run.name),
        }
        return Acted(updates, run.name)

    def _result(self, run: RunView, lang: Lang) -> str:
        """What a built release holds; of a push what it says."""
        try:
            held = read_manifest(run.path / FOLDER)
            masked = ", ".join(f"{kind} {count}" for kind, count in held.masked.items())
            told = said(lang, "release_masked", what=masked or "–", n=held.tombstones)
            return f"{tables_html(held.tables, lang)}<p>{told}</p>"
        except BadInput:
            text = _console(run)
            return f'<pre class="run-log" tabindex="0">{escape(text)}</pre>' if text else ""


def _console(run: RunView) -> str:
    try:
        return (run.path / CONSOLE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
