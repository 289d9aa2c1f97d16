"""What was withdrawn: an id and a day, nothing else, for whoever holds an older copy. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mi_arena.records.battle_events import Withdrawn
from mi_arena.records.events import Event
from mi_arena.release.pseudonyms import Pseudonyms


def tombstones(withdrawals: Iterable[Event], names: Pseudonyms) -> list[dict[str, str]]:
    """``{"battle", "withdrawn_on"}`` of each, sorted by id."""
    return sorted(
        (
            {
                "battle": names.of("battle", event.payload.battle),
                "withdrawn_on": event.created_at.date().isoformat(),
            }
            for event in withdrawals
            if isinstance(event.payload, Withdrawn)
        ),
        key=lambda one: one["battle"],
    )
