"""The admins' tabs, side by side: corpus, training, evaluation, study."""

from __future__ import annotations

from typing import Any, Protocol

import gradio as gr

from mi_arena.access.audit import Audit
from mi_arena.access.identity import Identities
from mi_arena.battles.arena import Arena
from mi_arena.ui.pipeline.admins import Updates
from mi_arena.ui.pipeline.data_page import DataPage
from mi_arena.ui.pipeline.evaluate_page import EvaluatePage
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.pipeline.train_page import TrainPage
from mi_arena.ui.session import Session
from mi_arena.ui.study.study_page import StudyPage
from mi_arena.ui.texts import say
from mi_arena.workspace.workspace import Workspace


class Page(Protocol):
    """What stands behind one of these tabs."""

    opened: dict[str, Any]
    """The listener of the tab's opening."""

    def outputs(self) -> list[Any]: ...

    def words(self, session: Session) -> Updates: ...


class AdminTabs:
    """Made inside ``gr.Tabs``. Visitors have empty components: even labels would tell them what is
    compared here, and they judge blind."""

    def __init__(
        self,
        arena: Arena,
        tools: PipelineTools,
        workspace: Workspace,
        identities: Identities,
        minimum_n: int,
        browser: gr.BrowserState,
    ):
        self._identities, audit = identities, Audit(workspace.store)
        with gr.Tab("数据", id="data", visible=False) as data:
            data_page = DataPage(tools, workspace, identities, browser, audit)
        with gr.Tab("训练", id="train", visible=False) as train:
            train_page = TrainPage(tools, identities, browser, audit)
        with gr.Tab("评估", id="evaluate", visible=False) as evaluate:
            evaluate_page = EvaluatePage(tools, identities, browser, audit)
        with gr.Tab("研究", id="study", visible=False) as study:
            study_page = StudyPage(arena, tools, workspace, identities, minimum_n, browser, audit)
        self.labels = {
            data: "tab_data", train: "tab_train", evaluate: "tab_evaluate", study: "tab_study",
        }  # fmt: skip
        self._pages: dict[gr.Tab, Page] = {
            data: data_page,
            train: train_page,
            evaluate: evaluate_page,
            study: study_page,
        }

    def connect(self) -> None:
        """What is behind a tab is painted when it is opened."""
        for tab, page in self._pages.items():
            tab.select(**page.opened)

    def outputs(self) -> list[Any]:
        inside = [component for page in self._pages.values() for component in page.outputs()]
        return [*self.labels, *inside]

    def shown(self, session: Session) -> Updates:
        """The tabs alone."""
        admin = self._is_admin(session)
        return {
            tab: gr.update(visible=admin, label=say(session.lang, key))
            for tab, key in self.labels.items()
        }

    def words(self, session: Session) -> Updates:
        """Every label, for an admin whose language changes."""
        words: Updates = self.shown(session)
        if self._is_admin(session):
            for page in self._pages.values():
                words |= page.words(session)
        return words

    def _is_admin(self, session: Session) -> bool:
        return session.identity(self._identities).role == "admin"
