"""Dialogue JSONL, this project's own format."""

from __future__ import annotations

from pydantic import ValidationError

from mi_arena.dialogue import Dialogue
from training.corpora.readers.documents import described
from training.corpora.readers.found import Faulty, Found, NotThis


def dialogue_line(value: object, source: str | None) -> Found:
    """The dialogue as it is; of ``source`` only, where one is given."""
    if not isinstance(value, dict) or not {"id", "messages"} <= value.keys():
        raise NotThis(described(value))
    if source is not None and value.get("source") != source:
        raise NotThis(described(value))
    try:
        return Found(Dialogue.model_validate(value))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Faulty(f"{where}: {first['msg']}") from None
