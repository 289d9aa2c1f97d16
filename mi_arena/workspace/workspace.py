"""The parts of the workspace put together over one store."""

from __future__ import annotations

from mi_arena.access.identity import Identities
from mi_arena.records.drafts import Drafts
from mi_arena.records.store import EventStore
from mi_arena.workspace.adjudication import Adjudication
from mi_arena.workspace.assignments import Assignments
from mi_arena.workspace.desk import Desks
from mi_arena.workspace.ledger import Ledger
from mi_arena.workspace.matches import Matches
from mi_arena.workspace.material import MaterialStore
from mi_arena.workspace.own_battle import OwnBattles
from mi_arena.workspace.practising import Practice
from mi_arena.workspace.reviews import Reviews
from mi_arena.workspace.sheets import Sheets
from mi_arena.workspace.suggestions import Suggestions


class Workspace:
    """Everything an expert or an admin can do with dialogues, with no page in it."""

    def __init__(self, store: EventStore, drafts: Drafts, identities: Identities):
        keyed = identities.keyed
        sheets = Sheets(drafts)
        self.store, self.drafts = store, drafts
        self.ledger = Ledger(store)
        self.material = MaterialStore(store, self.ledger, keyed)
        self.desks = Desks(store, self.ledger, sheets)
        self.practice = Practice(store, self.ledger, self.desks)
        self.own = OwnBattles(store, self.material, identities)
        self.assignments = Assignments(store, self.ledger, self.material, sheets, identities)
        self.matches = Matches(store, self.ledger, self.material, self.assignments, drafts, keyed)
        self.reviews = Reviews(store, self.ledger, drafts, keyed)
        self.suggestions = Suggestions(store, self.ledger)
        self.adjudication = Adjudication(self.ledger, self.material)

    def close(self) -> None:
        """Let go of the drafts; the store is the arena's to close."""
        self.drafts.close()
