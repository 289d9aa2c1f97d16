"""``admin``: what an admin does to people, material, assignments and practice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, NamedTuple

from mi_arena.access.audit import Audit, Outcome
from mi_arena.access.guard import require
from mi_arena.access.members import AccessError, Members
from mi_arena.battles.refusal import Refused, saving
from mi_arena.records.audit_events import Target
from mi_arena.ui.desk.admin_view import NUMBERS, page
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.texts import Lang, say, sentences
from mi_arena.ui.transcript import note_html
from mi_arena.workspace.assignments import TASKS
from mi_arena.workspace.material import BadImport
from mi_arena.workspace.workspace import Workspace

LONGEST_IMPORT = 20_000_000
"""Characters of a file that is imported from the page."""
Fields = Mapping[str, Any]
TARGETS: tuple[Target, ...] = ("member", "batch")
"""What an act of this page may be done on, by the name under which it is sent."""


class Told(NamedTuple):
    """What is told of an act, and the member that it made."""

    html: str
    member: str


class AdminRoom:
    """Every action of it asks the guard first."""

    def __init__(self, workspace: Workspace, members: Members | None):
        self.workspace, self._members = workspace, members
        self._audit = Audit(workspace.store)
        self._actions: dict[str, Callable[[Call, Fields], str | Told]] = {
            "invite": self._invite,
            "name": self._name,
            "revoke": self._revoke,
            "sign-out": self._sign_out,
            "drop": self._drop,
            "draw-battles": self._draw_battles,
            "import": self._import,
            "take-back": self._take_back,
            "suggestions": self._suggestions,
            "assign": self._assign,
            "bar": self._bar,
        }

    def open(self, call: Call) -> Answer:
        require(call.who, "admin")
        return Answer(html=page(self.workspace, call.lang), view="admin")

    def act(self, call: Call) -> Answer:
        require(call.who, "admin")
        action = self._actions.get(call.do)
        if action is None:
            raise Refused("no_work")
        sent = call.sent.get("fields")
        done: str | Told | None = None
        try:
            with saving():
                done = action(call, sent if isinstance(sent, dict) else {})
        except BadImport as error:
            why = say(call.lang, f"import_{error.problem}", **error.values)
            raise Refused("bad_import", why=why) from None
        except AccessError as error:
            why = say(call.lang, f"access_{error.code}", **error.values)
            return Answer(note=note_html(why, "bad"))
        finally:
            self._record(call, done)
        told = done.html if isinstance(done, Told) else done
        return Answer(html=page(self.workspace, call.lang), note=told)

    def _record(self, call: Call, done: str | Told | None) -> None:
        outcome: Outcome = "refused" if done is None else "done"
        target: Target | None = next((one for one in TARGETS if call.text(one)), None)
        name = call.text(target) if target else None
        if isinstance(done, Told):
            target, name = "member", done.member
        self._audit.record(call.who, call.do, target, name, outcome)

    # ---- people

    def _invite(self, call: Call, fields: Fields) -> Told:
        invite = self._known().invite(str(fields.get("role")), str(fields.get("label") or ""))
        told = say(call.lang, "admin_invited", member=invite.member)
        html = (
            f'<div class="note good" role="status">{escape(told)} '
            f"<code>{escape(invite.code)}</code></div>"
        )
        return Told(html, invite.member)

    def _name(self, call: Call, fields: Fields) -> str:
        member = call.text("member")
        label = self._known().name(member, str(fields.get("label") or ""))
        if label is None:
            return _good(say(call.lang, "admin_unnamed", member=member))
        return _good(say(call.lang, "admin_named", member=member, label=label))

    def _revoke(self, call: Call, _: Fields) -> str:
        member = call.text("member")
        self._known().revoke(member)
        return _good(say(call.lang, "admin_revoked", member=member))

    def _sign_out(self, call: Call, _: Fields) -> str:
        member = call.text("member")
        self._known().sign_out_everywhere(member)
        return _good(say(call.lang, "admin_signed_out", member=member))

    def _drop(self, call: Call, _: Fields) -> str:
        moved = self.workspace.assignments.drop_out(call.text("member"))
        if not any(moved):
            return _good(say(call.lang, "admin_dropped_done"))
        return _told(
            call.lang, "admin_dropped", moved.assigned, admin_dropped_unplaced=moved.unplaced
        )

    # ---- material

    def _draw_battles(self, call: Call, _: Fields) -> str:
        return _told(call.lang, "admin_drawn", self.workspace.material.draw_battles())

    def _import(self, call: Call, fields: Fields) -> str:
        file = fields.get("file")
        text = file.get("text") if isinstance(file, dict) else None
        if not isinstance(file, dict) or not isinstance(text, str):
            raise Refused("bad_import", why=say(call.lang, "import_no_file"))
        if len(text) > LONGEST_IMPORT:
            why = say(call.lang, "import_too_long", limit=LONGEST_IMPORT)
            raise Refused("bad_import", why=why)
        name = str(file.get("name") or "file")[:80]
        told = self.workspace.material.import_dialogues(text, name)
        return _told(
            call.lang,
            "admin_imported",
            told.new,
            admin_imported_known=told.known,
            admin_imported_danger=told.in_danger,
        )

    def _take_back(self, call: Call, _: Fields) -> str:
        taken = self.workspace.material.take_back(call.text("batch"))
        return _good(say(call.lang, "admin_taken_back", n=len(taken.dialogues)))

    def _suggestions(self, call: Call, _: Fields) -> str:
        allowed = call.text("allowed") == "yes"
        self.workspace.suggestions.allow(call.text("batch"), allowed)
        return _good(say(call.lang, f"admin_suggestions_{'on' if allowed else 'off'}"))

    # ---- assignments and practice

    def _assign(self, call: Call, fields: Fields) -> str:
        task = next((task for task in TASKS if task == fields.get("task")), None)
        if task is None:
            raise Refused("bad_number")
        each, doubled = (_number(call, fields, name) for name in ("each", "doubled"))
        drawn = self.workspace.assignments.draw(task, each, doubled / 100)
        return _told(
            call.lang, "admin_assigned", drawn.assigned, admin_assigned_unplaced=drawn.unplaced
        )

    def _bar(self, call: Call, fields: Fields) -> str:
        share, within, needed = (_number(call, fields, n) for n in ("share", "within", "needed"))
        self.workspace.practice.set_bar(share / 100, within, needed)
        return _good(say(call.lang, "admin_bar_set"))

    def _known(self) -> Members:
        if self._members is None:
            raise Refused("no_work")
        return self._members


def _number(call: Call, fields: Fields, name: str) -> int:
    """The whole number in a field. Raises ``Refused`` with its limits."""
    number, given = NUMBERS[name], str(fields.get(name)).strip()
    if given.isascii() and given.isdecimal() and len(given) < 10:
        value = int(given)
        if number.low <= value <= number.high:
            return value
    label = say(call.lang, number.label)
    raise Refused("out_of_range", field=label, low=number.low, high=number.high)


def _told(lang: Lang, key: str, n: int, **beside: int) -> str:
    """What was done, ``KEY_none`` for nothing; of what stands beside it, only what there is."""
    first = say(lang, key, n=n) if n else say(lang, f"{key}_none")
    rest = [say(lang, name, n=number) for name, number in beside.items() if number]
    return _good(sentences(lang, first, *rest))


def _good(sentence: str) -> str:
    return note_html(sentence, "good")
