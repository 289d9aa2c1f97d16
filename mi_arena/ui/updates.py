"""Sets of updates to components, put together."""

from __future__ import annotations

from typing import Any


def merged(*sets: dict[Any, Any]) -> dict[Any, Any]:
    """All updates; where two change one component, both changes count, the later one first."""
    made: dict[Any, Any] = {}
    for updates in sets:
        for component, update in updates.items():
            before = made.get(component)
            if isinstance(before, dict) and isinstance(update, dict):
                made[component] = before | update
            else:
                made[component] = update
    return made
