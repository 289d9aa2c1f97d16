"""Where help is, for every need and the reader's place; a tab, so that every page has it."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from mi_arena.safety.categories import CLIENT_CATEGORIES
from mi_arena.safety.help import Need, help_for
from mi_arena.ui.session import Session, locale_of
from mi_arena.ui.texts import say
from mi_arena.ui.transcript import help_list_html

SECTIONS: tuple[Need, ...] = (*CLIENT_CATEGORIES, "minor")


class HelpPage:
    """Only words and numbers."""

    def __init__(self) -> None:
        self.lines = gr.HTML(elem_id="help")

    def outputs(self) -> list[Any]:
        return [self.lines]

    def words(self, session: Session, request: gr.Request | None) -> dict[Any, Any]:
        lang = session.lang
        locale = locale_of(request, lang)
        parts = "".join(
            f"<h3>{escape(say(lang, f'need_{need}'))}</h3>"
            + help_list_html(help_for(locale, [need]), lang)
            for need in SECTIONS
        )
        title, lead = escape(say(lang, "help_title")), escape(say(lang, "help_lead"))
        return {self.lines: f"<h2>{title}</h2><p>{lead}</p>{parts}"}
