"""The Data tab: raw corpora in, a split of MI dialogues out, each step a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from mi_arena.access.audit import Audit
from mi_arena.access.identity import Identities
from mi_arena.jobs.data_steps import DATA_STEPS
from mi_arena.jobs.inputs import CORPUS_ENDINGS
from mi_arena.ui.gate import COOKIE, TICKET_SECONDS
from mi_arena.ui.pipeline.admins import Acted, Admins, Updates
from mi_arena.ui.pipeline.beginning import beginner
from mi_arena.ui.pipeline.data_results import DataResults
from mi_arena.ui.pipeline.reviews_part import ReviewsPart
from mi_arena.ui.pipeline.runs_panel import RunsPanel, told
from mi_arena.ui.pipeline.step_form import StepForm
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say
from mi_arena.ui.transcript import note_html
from mi_arena.ui.updates import merged
from mi_arena.workspace.workspace import Workspace

SCRIPTS = frozenset(step.module for step in DATA_STEPS)
# Shown with every file that is sent. Partitioned: a Space stands in a frame of another site.
SHOW_TICKET = f"""(ticket) => {{
    const kept = location.protocol === "https:"
        ? "SameSite=None; Secure; Partitioned" : "SameSite=Lax";
    document.cookie = `{COOKIE}=${{ticket}}; Path=/; Max-Age={TICKET_SECONDS}; ${{kept}}`;
}}"""


class DataPage:
    """Made inside a ``gr.Blocks`` context; for admins, and every handler asks."""

    def __init__(
        self,
        tools: PipelineTools,
        workspace: Workspace,
        identities: Identities,
        browser: gr.BrowserState,
        audit: Audit,
    ):
        self._inputs, self._has_key = tools.inputs, tools.has_key
        self._tickets = tools.tickets
        self.ticket = gr.Textbox(visible=False)
        self.ticket.change(None, [self.ticket], None, js=SHOW_TICKET)
        self.heading = gr.Markdown()
        self.upload = gr.File(
            file_count="multiple", file_types=list(_endings()), elem_id="corpus-upload", height=120
        )
        self.note = gr.HTML(elem_id="data-note")
        admins = Admins(identities, self.note, audit)
        self.forms = [StepForm(step, tools.inputs) for step in DATA_STEPS]
        results = DataResults(tools.downloads)
        choosers = [c for form in self.forms for c in form.choices()]
        self.reviews = ReviewsPart(workspace, tools.launcher)
        self.runs = RunsPanel(
            "data",
            tools.launcher,
            SCRIPTS,
            tools.downloads,
            results.html,
            lambda _: self._choices(),
            choosers,
            admins,
            browser,
            self.reviews,
        )
        quiet: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        self.upload.upload(
            admins.act("upload", self.on_upload),
            [browser, self.upload],
            [self.upload, self.note, *choosers],
            **quiet,
        )
        for form in self.forms:
            form.begin.click(
                admins.beside(form.note).act(
                    f"begin-{form.step.id}", beginner(form, tools, self.runs)
                ),
                [browser, *form.inputs()],
                [form.note, *choosers, *self.runs.outputs()],
                **quiet,
            )
        part, chosen = self.reviews.parts, self.runs.parts.chosen
        for name, button, action, more in (
            ("send-reviews", part.send, self.reviews.send, [part.size, part.each, part.seed]),
            ("fetch-reviews", part.fetch, self.reviews.fetch, []),
            ("close-reviews", part.close, self.reviews.close, []),
        ):
            button.click(
                admins.act(name, self._with_experts(action)),
                [browser, chosen, *more],
                [self.note, *choosers, *self.runs.outputs()],
                **quiet,
            )
        self.opened: dict[str, Any] = {
            "fn": admins.only(self.on_open),
            "inputs": [browser, self.runs.parts.chosen],
            "outputs": list(dict.fromkeys([*self.outputs(), self.note, *choosers])),
            **quiet,
        }

    def outputs(self) -> list[Any]:
        parts = [self.heading, self.ticket, self.upload, *self.runs.outputs()]
        return parts + [component for form in self.forms for component in form.outputs()]

    def words(self, session: Session) -> Updates:
        """Labels alone."""
        lang = session.lang
        key = say(lang, "data_key" if self._has_key else "data_no_key")
        words: Updates = {
            self.heading: f"## {say(lang, 'data_title')}\n{say(lang, 'data_lead')} {key}",
            self.upload: gr.update(label=say(lang, "data_upload")),
            **self.runs.words(session),
        }
        for form in self.forms:
            words |= form.words(session)
        return words

    # ---- actions of an admin

    def on_open(self, session: Session, chosen: object) -> Updates:
        return merged(
            self.words(session),
            {self.note: "", self.ticket: self._tickets.new(session.member)},
            self._choices(),
            self.runs.look(session, chosen),
        )

    def on_upload(self, session: Session, files: object) -> Acted:
        given = files if isinstance(files, list) else [files] if files else []
        names = []
        for file in map(Path, map(str, given)):
            names.append(self._inputs.add(file, file.name))
            file.unlink(missing_ok=True)  # Gradio's own copy, which it would keep for an hour
        joined = ("、" if session.lang == "zh" else ", ").join(names)
        updates: Updates = {
            self.upload: None,
            self.note: told(session, "data_uploaded", "good", names=joined),
            **self._choices(),
        }
        # Their names are the admin's own words.
        return Acted(updates, None)

    def _choices(self) -> Updates:
        choices: Updates = {}
        for form in self.forms:
            choices |= form.choices()
        return choices

    def _with_experts(self, action: Callable[..., str]) -> Callable[..., Updates]:
        def act(session: Session, chosen: object, *given: object) -> Updates:
            told = action(session.lang, str(chosen), *given)
            return {
                self.note: note_html(told, "good"),
                **self._choices(),
                **self.runs.look(session, chosen),
            }

        return act


def _endings() -> list[str]:
    """What a browser's file chooser understands: the last part of an ending."""
    return sorted({"." + ending.rpartition(".")[2] for ending in CORPUS_ENDINGS})
