"""What admins did: one event an act, written down in one place, and listed for the study's keepers.

Knows acts and ids, never what was typed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mi_arena.access.identity import Identity
from mi_arena.records.audit_events import AdminActed, Target
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore, StoreError

log = logging.getLogger(__name__)

Outcome = Literal["done", "refused", "failed"]
_NAME = re.compile(r"[\w.:@+-]{1,120}")
"""What our ids look like; anything else is somebody's text and stays out."""


@dataclass(frozen=True)
class Act:
    """One act as listed."""

    at: datetime
    who: str | None
    """The admin's pseudonym; ``None`` for a command in a shell."""
    act: str
    target: Target | None
    name: str | None
    outcome: Outcome


class Audit:
    """Writes acts into the records and reads them out."""

    def __init__(self, store: EventStore):
        self._store = store

    def record(
        self,
        who: Identity | None,
        act: str,
        target: Target | None = None,
        name: object = None,
        outcome: Outcome = "done",
    ) -> bool:
        """Store an act; whether it could be. A failure is logged: what was done is done."""
        try:
            self.record_first(who, act, target, name, outcome)
        except StoreError as error:
            log.error("an admin's act could not be recorded (%s): %s", act, error)
            return False
        return True

    def record_first(
        self,
        who: Identity | None,
        act: str,
        target: Target | None = None,
        name: object = None,
        outcome: Outcome = "done",
    ) -> None:
        """Store an act that is not to be done unrecorded. Raises ``NotStored``."""
        known = name if isinstance(name, str) and _NAME.fullmatch(name) else None
        epoch = known if target == "epoch" else None
        payload = AdminActed(act=act, target=target, name=known, outcome=outcome)
        self._store.append(
            Event.of(payload, role="admin", rater=who.rater if who else None, epoch=epoch)
        )

    def acts(self) -> Iterator[Act]:
        """All of them, the oldest first."""
        for event in self._store.events("admin_acted"):
            told = event.payload
            assert isinstance(told, AdminActed)
            yield Act(event.created_at, event.rater, told.act, told.target, told.name, told.outcome)
