"""From a receipt to the judgement it belongs to."""

from __future__ import annotations

from mi_arena.records.events import Event
from mi_arena.records.store import EventStore

_BY_RECEIPT = """
SELECT battle FROM events
WHERE kind = 'judgement' AND receipt_hash = ?
"""


def find_receipt(store: EventStore, receipt_hash: str) -> Event | None:
    """The judgement with this receipt, or ``None``."""
    with store.reading() as connection:
        battle = connection.exec_driver_sql(_BY_RECEIPT, (receipt_hash,)).scalar()
    if battle is None:
        return None
    for event in store.events("judgement", battle=battle):
        if getattr(event.payload, "receipt_hash", None) == receipt_hash:
            return event
    return None
