"""``home``: what a member has to do, and how far they are."""

from __future__ import annotations

from html import escape

from mi_arena.access.guard import require
from mi_arena.battles.refusal import Refused
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.desk.review_room import open_sets_html
from mi_arena.ui.texts import Lang, say
from mi_arena.workspace.assignments import TASKS, Item
from mi_arena.workspace.practising import Progress
from mi_arena.workspace.workspace import Workspace

VIEWS = {"coding": "work", "match": "match"}


class HomeRoom:
    """The list of a member's work."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def open(self, call: Call) -> Answer:
        who, lang = require(call.who, "expert", "admin"), call.lang
        stands = self.workspace.practice.progress(who)
        items = self.workspace.assignments.items(who)
        admin = ""
        if who.role == "admin":
            admin = (
                '<p><button type="button" class="primary" data-open="admin" data-key="admin">'
                f"{escape(say(lang, 'desk_admin_open'))}</button></p>"
            )
        work = self._work(items, lang) if stands.trained else self._waiting(items, lang)
        expert = who.role == "expert"
        reviews = open_sets_html(self.workspace.reviews, who, lang) if expert else ""
        html = (
            f'<article class="home"><h2 tabindex=-1>{escape(say(lang, "desk_home_title"))}</h2>'
            f"{admin}{_practice(stands, lang)}"
            f"{work if expert else ''}{reviews}</article>"
        )
        return Answer(html=html, view="home")

    def act(self, call: Call) -> Answer:
        require(call.who, "expert", "admin")
        raise Refused("no_work")

    def _waiting(self, items: list[Item], lang: Lang) -> str:
        return f"<p>{escape(say(lang, 'desk_work_waits', n=len(items)))}</p>" if items else ""

    def _work(self, items: list[Item], lang: Lang) -> str:
        if not items:
            return f'<p class="hint">{escape(say(lang, "desk_no_work"))}</p>'
        done = sum(item.state == "done" for item in items)
        told = escape(say(lang, "desk_work_done", done=done, n=len(items)))
        html = f'<p>{told}</p><progress max="{len(items)}" value="{done}">{done}</progress>'
        for task in TASKS:
            mine = [item for item in items if item.task == task]
            if mine:
                rows = "".join(_row(number, item, lang) for number, item in enumerate(mine, 1))
                html += f"<h3>{escape(say(lang, f'desk_task_{task}'))}</h3><ol>{rows}</ol>"
        return f'<section class="work">{html}</section>'


def _row(number: int, item: Item, lang: Lang) -> str:
    view = f"{VIEWS[item.task]}:{item.assignment}"
    name = escape(say(lang, f"desk_item_{item.task}", number=number))
    state = escape(say(lang, f"desk_state_{item.state}"))
    return (
        f'<li><button type="button" data-open="{view}" data-key="{view}">{name}'
        f'<span class="state {item.state}">{state}</span></button></li>'
    )


def _practice(stands: Progress, lang: Lang) -> str:
    key = "desk_trained" if stands.trained else "desk_practice_left"
    lead = escape(say(lang, key, passed=stands.passed, needed=stands.needed))
    rows = "".join(
        f'<li><button type="button" data-open="practice:{exercise.number}" '
        f'data-key="practice:{exercise.number}">'
        f"{escape(say(lang, 'desk_exercise', number=exercise.number))}"
        f'<span class="state {exercise.state}">'
        f"{escape(say(lang, f'desk_exercise_{exercise.state}'))}</span></button></li>"
        for exercise in stands.exercises
    )
    opened = "" if stands.trained else " open"
    return (
        f'<details class="practice"{opened}><summary>{escape(say(lang, "desk_practice"))}'
        f" · {lead}</summary><p>{escape(say(lang, 'desk_practice_why'))}</p><ol>{rows}</ol>"
        "</details>"
    )
