"""The Study tab: epochs and pairs, how far raters are, what is excluded, kept and released."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from mi_arena.access.audit import Audit
from mi_arena.access.identity import Identities
from mi_arena.battles.arena import Arena
from mi_arena.publishing.status import read_status
from mi_arena.records.incidents import incidents
from mi_arena.records.results_query import epochs
from mi_arena.records.store import AlreadyStored, StoreError
from mi_arena.ui.pipeline.admins import Acted, Admins, Updates
from mi_arena.ui.pipeline.runs_panel import told
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.session import Session
from mi_arena.ui.study.epoch_standing import standing_of
from mi_arena.ui.study.health_html import health_html, release_html
from mi_arena.ui.study.release_part import ReleasePart
from mi_arena.ui.study.study_html import (
    assignments_html,
    epochs_html,
    incidents_html,
    pairs_html,
)
from mi_arena.ui.texts import Lang, say
from mi_arena.ui.updates import merged
from mi_arena.workspace.workspace import Workspace

MOST_EPOCHS = 30


class StudyPage:
    """Made inside a ``gr.Blocks`` context; for admins, and every handler asks."""

    def __init__(
        self,
        arena: Arena,
        tools: PipelineTools,
        workspace: Workspace,
        identities: Identities,
        minimum_n: int,
        browser: gr.BrowserState,
        audit: Audit,
    ):
        self._arena, self._workspace, self._minimum = arena, workspace, minimum_n
        self._data = tools.data
        with gr.Row(elem_classes="cornered"):
            self.heading = gr.Markdown()
            self.refresh = gr.Button(elem_id="study-refresh", scale=0, min_width=110)
        self.note = gr.HTML(elem_id="study-note")
        admins = Admins(identities, self.note, audit)
        self.epochs_heading = gr.Markdown()
        self.epochs = gr.HTML(elem_id="study-epochs")
        with gr.Row(elem_id="study-closing"):
            self.epoch = gr.Dropdown([], elem_id="study-epoch", filterable=False)
            self.sure = gr.Checkbox(value=False, elem_id="study-sure")
            self.close = gr.Button(elem_id="study-close", scale=0, min_width=190)
        self.epochs_note = gr.HTML(elem_id="study-epochs-note")
        self.pairs_heading = gr.Markdown()
        self.pairs = gr.HTML(elem_id="study-pairs")
        with gr.Row():
            self.pair = gr.Dropdown([], elem_id="study-pair", filterable=False)
            self.leave_out = gr.Button(elem_id="study-leave-out", scale=0, min_width=170)
            self.bring_back = gr.Button(elem_id="study-bring-back", scale=0, min_width=170)
        self.pairs_note = gr.HTML(elem_id="study-pairs-note")
        self.work_heading = gr.Markdown()
        self.work = gr.HTML(elem_id="study-work")
        self.danger_heading = gr.Markdown()
        self.danger = gr.HTML(elem_id="study-danger")
        self.health_heading = gr.Markdown()
        self.health = gr.HTML(elem_id="study-health")
        self.release_heading = gr.Markdown()
        self.released = gr.HTML(elem_id="study-released")
        self.release = ReleasePart(tools, admins, browser, self._kept, [self.health, self.released])
        self._connect(admins, browser)

    def _connect(self, admins: Admins, browser: gr.BrowserState) -> None:
        quiet: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        shown = self.outputs()
        looking = [browser, self.release.runs.parts.chosen]
        self.refresh.click(admins.only(self.on_open), looking, shown, **quiet)
        self.close.click(
            admins.beside(self.epochs_note).act("close-epoch", self.on_close, "epoch"),
            [browser, self.epoch, self.sure],
            shown,
            **quiet,
        )
        of_pairs = admins.beside(self.pairs_note)
        for name, button, action in (
            ("leave-out", self.leave_out, self.on_leave_out),
            ("bring-back", self.bring_back, self.on_bring_back),
        ):
            button.click(of_pairs.act(name, action, "pair"), [browser, self.pair], shown, **quiet)
        self.opened: dict[str, Any] = {
            "fn": admins.only(self.on_open),
            "inputs": looking,
            "outputs": shown,
            **quiet,
        }

    def outputs(self) -> list[Any]:
        return [
            self.heading, self.refresh, self.note,
            self.epochs_heading, self.epochs, self.epoch, self.sure, self.close, self.epochs_note,
            self.pairs_heading, self.pairs, self.pair, self.leave_out, self.bring_back,
            self.pairs_note, self.work_heading, self.work, self.danger_heading, self.danger,
            self.health_heading, self.health, self.release_heading, self.released,
            *self.release.outputs(),
        ]  # fmt: skip

    def words(self, session: Session) -> Updates:
        lang = session.lang
        return {
            self.heading: f"## {say(lang, 'study_title')}\n{say(lang, 'study_lead')}",
            self.refresh: gr.update(value=say(lang, "refresh")),
            self.epochs_heading: _section(lang, "epochs", minimum=self._minimum),
            self.epoch: gr.update(label=say(lang, "study_epoch")),
            self.sure: gr.update(label=say(lang, "study_sure")),
            self.close: gr.update(value=say(lang, "study_close")),
            self.pairs_heading: _section(lang, "pairs"),
            self.pair: gr.update(label=say(lang, "study_pair")),
            self.leave_out: gr.update(value=say(lang, "study_leave_out")),
            self.bring_back: gr.update(value=say(lang, "study_bring_back")),
            self.work_heading: _section(lang, "work"),
            self.danger_heading: _section(lang, "danger"),
            self.health_heading: _section(lang, "health"),
            self.release_heading: _section(lang, "release"),
            **self.release.words(session),
        }

    # ---- actions of an admin

    def on_open(self, session: Session, chosen: object) -> Updates:
        return merged(
            self.words(session),
            self._shown(session),
            # Tells how records are kept, too.
            self.release.runs.look(session, chosen),
            dict.fromkeys(self._notes(), ""),
        )

    def on_close(self, session: Session, epoch: object, sure: object) -> Updates | Acted:
        refused = partial(self._not_done, session, self.epochs_note)
        if str(epoch) not in {one.id for one in epochs(self._arena.store)}:
            return refused("study_choose_epoch")
        if sure is not True:
            return refused("study_not_sure", str(epoch))
        try:
            self._arena.offer.close_epoch(str(epoch))
        except AlreadyStored:
            return refused("study_closed_before", str(epoch))
        return {
            self.sure: gr.update(value=False),
            **self._done(session, self.epochs_note, "study_was_closed", str(epoch)),
        }

    def on_leave_out(self, session: Session, pair: object) -> Updates | Acted:
        offer = self._arena.offer
        if str(pair) not in offer.known():
            return self._not_done(session, self.pairs_note, "study_choose_pair")
        if str(pair) not in self._served():
            return self._not_done(session, self.pairs_note, "study_out_already", str(pair))
        offer.leave_out(str(pair))
        return self._done(session, self.pairs_note, "study_left_out", str(pair))

    def on_bring_back(self, session: Session, pair: object) -> Updates | Acted:
        offer = self._arena.offer
        if str(pair) not in offer.known():
            return self._not_done(session, self.pairs_note, "study_choose_pair")
        if str(pair) in self._served():
            return self._not_done(session, self.pairs_note, "study_served_already", str(pair))
        offer.bring_back(str(pair))
        return self._done(session, self.pairs_note, "study_brought_back", str(pair))

    # ---- inside

    def _notes(self) -> list[gr.HTML]:
        return [self.note, self.epochs_note, self.pairs_note, self.release.note]

    def _done(self, session: Session, note: gr.HTML, key: str, name: str) -> Updates:
        return {**self._shown(session), note: told(session, key, "good", name=name)}

    def _not_done(
        self, session: Session, note: gr.HTML, key: str, name: str | None = None
    ) -> Acted:
        return Acted({note: told(session, key, "bad")}, name, "refused")

    def _served(self) -> set[str]:
        return {pair.id for pair in self._arena.offer.pairs()}

    def _shown(self, session: Session) -> Updates:
        lang, offer = session.lang, self._arena.offer
        known = epochs(self._arena.store)
        still_open = [one.id for one in known if one.closed_at is None]
        pairs = offer.known()
        return {
            self.epochs: epochs_html(
                [
                    standing_of(self._arena.store, self._arena.votes, one, self._minimum)
                    for one in known[-MOST_EPOCHS:]
                ],
                self._minimum,
                lang,
            ),
            self.epoch: gr.update(
                choices=still_open, value=still_open[0] if len(still_open) == 1 else None
            ),
            self.pairs: pairs_html([(pair, self._state(pair.id)) for pair in pairs.values()], lang),
            self.pair: gr.update(
                choices=list(pairs), value=next(iter(pairs)) if len(pairs) == 1 else None
            ),
            self.danger: incidents_html(incidents(self._arena.store), lang),
            self.work: assignments_html(self._workspace.assignments.standings(), lang),
        }

    def _kept(self, session: Session) -> Updates:
        """Read from the disk, as from a shell: what other processes see is what counts."""
        try:
            status = read_status(self._data)
        except StoreError as error:
            return {self.health: told(session, "health_unreadable", "bad", why=error)}
        return {
            self.health: health_html(status, session.lang),
            self.released: release_html(status.release, session.lang),
        }

    def _state(self, pair: str) -> str:
        if pair not in self._served():
            return "out"
        return "away" if self._arena.offer.is_away(pair) else "served"


def _section(lang: Lang, name: str, **values: object) -> str:
    lead = say(lang, f"study_{name}_lead", **values)
    return f"### {say(lang, f'study_{name}_title')}\n{lead}"
