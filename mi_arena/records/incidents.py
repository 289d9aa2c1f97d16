"""How often danger was seen, and in whose words; never what was said."""

from __future__ import annotations

from typing import NamedTuple

from mi_arena.records.store import EventStore

_INCIDENTS = """
SELECT json_extract(payload, '$.category'),
       iif(json_extract(payload, '$.source') = 'client', 'client', 'model'),
       count(*), max(created_at)
FROM events WHERE kind = 'battle_flagged'
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


class Incidents(NamedTuple):
    """Those of one kind."""

    category: str
    speaker: str
    """``client`` or ``model``: which of both sides is not told, battles may be open."""
    battles: int
    last: str
    """When, ISO 8601 in UTC."""


def incidents(store: EventStore) -> list[Incidents]:
    """Of all battles, the most frequent first."""
    with store.reading() as connection:
        rows = connection.exec_driver_sql(_INCIDENTS).all()
    return [Incidents(*row) for row in rows]
