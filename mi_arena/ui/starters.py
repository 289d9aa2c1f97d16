"""First client turns to start a conversation from."""

from __future__ import annotations

from functools import cache

from mi_arena.packaged_yaml import packaged_yaml


@cache
def starters() -> dict[str, list[dict[str, str]]]:
    """By topic; each has an ``id`` and its words in both languages."""
    loaded: dict[str, list[dict[str, str]]] = packaged_yaml("mi_arena.assets", "starters.yaml")
    return loaded


def starter_of(topic: object, chosen: object) -> dict[str, str] | None:
    """The starter of a topic with this id; ``None`` for whatever else a browser sent."""
    return next((one for one in starters().get(str(topic), []) if one["id"] == chosen), None)


def sent_as_it_is(topic: object, chosen: object, text: str) -> str | None:
    """The id of the starter that was chosen and not changed; a changed one is somebody's own."""
    one = starter_of(topic, chosen)
    return one["id"] if one is not None and text.strip() in (one["zh"], one["en"]) else None
