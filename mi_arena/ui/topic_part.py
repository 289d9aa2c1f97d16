"""What the battle page asks before a battle: a topic, and a starter for the first words."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mi_arena.battles.form import TOPICS
from mi_arena.battles.offer import Offer
from mi_arena.ui.events import AT_ONCE
from mi_arena.ui.session import Session
from mi_arena.ui.starters import starter_of, starters
from mi_arena.ui.texts import Lang, choices, say

Updates = dict[Any, Any]


class TopicPart:
    """Made inside a ``gr.Blocks`` context."""

    def __init__(self, offer: Offer, browser: gr.BrowserState):
        self._offer, self._browser = offer, browser
        with gr.Column(visible=False, elem_id="setup") as self.box:
            # Values stand from the beginning, only words change with the language: a page that
            # outlived a restart of the server must still be able to send its form.
            self.topic = gr.Radio(list(TOPICS), elem_id="topic")
            every = [one["id"] for ones in starters().values() for one in ones]
            self.starter = gr.Radio(every, elem_id="starter", visible=False)

    def outputs(self) -> list[Any]:
        return [self.box, self.topic, self.starter]

    def connect(self, text: gr.Textbox) -> None:
        """``text``: where a chosen starter is written."""
        chosen = [self._browser, self.topic]
        self.topic.input(self.on_topic, chosen, [self.starter], **AT_ONCE)
        self.starter.input(self.on_starter, [*chosen, self.starter], [text], **AT_ONCE)

    def on_topic(self, stored: object, topic: object, request: gr.Request) -> Any:
        return self.starter_choices(Session.read(stored, request).lang, topic)

    def on_starter(
        self, stored: object, topic: object, starter: object, request: gr.Request
    ) -> Any:
        one = starter_of(topic, starter)
        if one is None:
            return gr.skip()
        written = "zh" if self._offer.chinese_only else Session.read(stored, request).lang
        return gr.update(value=one[written])

    def painted(self, *, shown: bool, emptied: bool) -> Updates:
        if not emptied:
            return {self.box: gr.update(visible=shown)}
        return {
            self.box: gr.update(visible=shown),
            self.topic: gr.update(value=None),
            self.starter: gr.update(visible=False, value=None),
        }

    def words(self, lang: Lang) -> Updates:
        return {
            self.topic: gr.update(
                label=say(lang, "choose_topic"), choices=choices(lang, "topic", TOPICS)
            ),
            self.starter: gr.update(label=say(lang, "choose_starter")),
        }

    def starter_choices(self, lang: Lang, topic: object) -> Any:
        """The starters of a topic in a language; hidden where there are none."""
        found = starters().get(str(topic), [])
        both = lang == "en" and self._offer.chinese_only
        told = [f"{one['zh']} ({one['en']})" if both else one[lang] for one in found]
        ids = [one["id"] for one in found]
        return gr.update(choices=list(zip(told, ids, strict=True)), value=None, visible=bool(found))
