"""What the server sends back to a desk, and what a desk may send: plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mi_arena.access.identity import Identity
from mi_arena.ui.texts import Lang


@dataclass
class Answer:
    """``html`` repaints the page, ``parts`` single parts of it by name."""

    html: str | None = None
    parts: dict[str, str] = field(default_factory=dict)
    version: int | None = None
    """Of the sheet that is shown now; what changes it must name this."""
    note: str | None = None
    """HTML for the place of messages; ``""`` empties it, ``None`` leaves it."""
    say: str = ""
    """For the screen reader."""
    view: str | None = None
    """The page to be remembered: a reload opens it."""

    def json(self) -> dict[str, Any]:
        """As the browser wants it."""
        return {key: value for key, value in vars(self).items() if value not in (None, {})}


@dataclass(frozen=True)
class Call:
    """One action of a page; every part of it is untrusted but ``who``."""

    who: Identity
    lang: Lang
    argument: str
    """What stands behind the colon of the view: the id of the work, say."""
    do: str
    battle: str
    """The battle token the browser holds."""
    version: object
    sent: Mapping[str, Any]
    again: bool
    """The same call was made before, and its answer may have been lost on the way."""

    def text(self, name: str, limit: int = 2_000) -> str:
        """A sent text, cut at ``limit``; empty for anything else."""
        value = self.sent.get(name)
        return value[:limit] if isinstance(value, str) else ""


class Room(Protocol):
    """The pages and actions of one kind of view. Raises ``Refused`` and ``NotAllowed``."""

    def open(self, call: Call) -> Answer: ...

    def act(self, call: Call) -> Answer: ...
