"""Conversations kept as pairs: MDD-5k (doctor, patient) and EmoLLM (input, output)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mi_arena.dialogue import Message, Role
from training.corpora.readers.documents import described
from training.corpora.readers.found import Faulty, Found, NotThis, dialogue, joined_id, message
from training.corpora.sources import Entry

Speakers = Sequence[tuple[str, Role]]
DOCTOR_FIRST: Speakers = (("doctor", "counselor"), ("patient", "client"))
INPUT_FIRST: Speakers = (("system", "system"), ("input", "client"), ("output", "counselor"))


def _pairs(value: object, speakers: Speakers) -> tuple[list[Message], dict[str, Any]]:
    """The messages of ``{"conversation": [pair…]}`` and the keys beside it."""
    known = {key for key, _ in speakers}
    pairs = value.get("conversation") if isinstance(value, dict) else None
    first = pairs[0] if isinstance(pairs, list) and pairs else None
    if not isinstance(value, dict) or not isinstance(pairs, list):
        raise NotThis(described(value))
    if pairs and not (isinstance(first, dict) and known & first.keys()):
        raise NotThis(described(value))
    messages: list[Message] = []
    for number, pair in enumerate(pairs, 1):
        if not isinstance(pair, dict) or not known & pair.keys():
            raise Faulty(f"pair {number} is {described(pair)}")
        extra = {key: one for key, one in pair.items() if key not in known}
        for key, role in speakers:
            # The last pair may lack its second half, a later one its system prompt.
            if key in pair and not (role == "system" and not pair[key]):
                messages.append(message(role, pair[key], len(messages) + 1, extra))
    return messages, {key: one for key, one in value.items() if key != "conversation"}


def mdd5k(value: object, entry: Entry, number: int, source: str) -> Found:
    """``patient_12.json`` holds several interviews of one case: ``mdd5k-12-1`` and so on."""
    messages, meta = _pairs(value, DOCTOR_FIRST)
    case = entry.stem.removeprefix("patient_")
    meta = {"group": joined_id("mdd5k", case), **meta}
    return Found(dialogue(joined_id("mdd5k", case, number), source, messages, meta))


def emollm(value: object, entry: Entry, number: int, source: str) -> Found:
    """A list of conversations; the file's name and the place in it make the id."""
    messages, meta = _pairs(value, INPUT_FIRST)
    return Found(dialogue(joined_id("emollm", entry.stem, number), source, messages, meta))
