"""The component that holds a desk.

Gradio's own events are not used: a click must be answered within 200 ms and change only the part
of the page that it concerns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

import gradio as gr

from mi_arena.access.identity import Identities
from mi_arena.ui.desk.answer import Room
from mi_arena.ui.desk.door import Door
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say


class DeskShell:
    """Makes the component inside a ``gr.Blocks`` context; ``rooms`` by the name of their views."""

    def __init__(self, identities: Identities, rooms: Mapping[str, Room], elem_id: str, home: str):
        self._home = home
        door = Door(identities, rooms, home)
        script = files("mi_arena.ui.desk").joinpath("desk.js").read_text(encoding="utf-8")

        def desk(call: dict[str, Any], request: gr.Request) -> dict[str, Any]:
            return door.answer(call, request)

        self.component = gr.HTML(elem_id=elem_id, js_on_load=script, server_functions=[desk])

    def painted(self, session: Session, *, shown: bool) -> str:
        """The component's value: what its script needs to begin. Empty when it isn't shown."""
        if not shown:
            return ""
        told = {
            "session": session.write(),
            "home": self._home,
            "busy": say(session.lang, "desk_busy"),
            "offline": say(session.lang, "desk_offline"),
            "lost": say(session.lang, "desk_lost"),
            "reload": say(session.lang, "desk_reload"),
            "badCount": say(session.lang, "desk_bad_count"),
        }
        return f'<div data-desk="{escape(json.dumps(told))}"></div>'
