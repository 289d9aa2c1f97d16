"""MITI codes of single replies: a judge's of what systems replied, and the test set's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from eval.report.round_dialogues import SETTING
from eval.report.round_table import REFERENCE, RoundKey
from mi_arena.dialogue import Dialogue, read_dialogues
from mi_arena.jobs.dialogue_files import told_in_one_line
from mi_arena.miti.coding import BadCoding, Volley, parse_coding


def round_codes(
    data: Path | None, limit: int | None, pairs: Iterable[str], codings: Sequence[Path]
) -> dict[RoundKey, list[str]]:
    """Codes by pair, system, dialogue and round; a reply that is coded with none has an empty list.

    Of codings, those of replies to the test set alone; where several judges coded, the last's.
    """
    found: dict[RoundKey, list[str]] = {}
    if data:
        with told_in_one_line(data):
            for dialogue in islice(read_dialogues(data), limit):
                for number, codes in _own(dialogue).items():
                    found |= {(pair, REFERENCE, dialogue.id, number): codes for pair in pairs}
    for path in codings:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                found |= _judged(json.loads(line))
    return found


def _judged(given: Mapping[str, Any]) -> dict[RoundKey, list[str]]:
    """Of a coding that was checked when it was read as one."""
    meta = given["meta"]
    if meta.get("setting") != SETTING:
        return {}
    volleys = parse_coding(given).volleys or ()
    answers = volleys[1:] if meta.get("opening") else volleys
    key = meta["pair"], meta["system"], meta["dialogue_id"]
    return {(*key, number): _codes(volley) for number, volley in enumerate(answers, 1)}


def _own(dialogue: Dialogue) -> dict[int, list[str]]:
    """The codes that came with a dialogue, by round; empty where it has none."""
    try:
        volleys = parse_coding(dialogue.model_dump()).volleys or ()
    except BadCoding:
        return {}
    spoken = [one for one in dialogue.messages if one.role != "system"]
    turns = [role for role, _ in groupby(spoken, key=lambda one: one.role)]
    answers = volleys[1:] if turns[0] == "counselor" else volleys
    if not any(_codes(volley) for volley in answers):
        return {}
    return {number: _codes(volley) for number, volley in enumerate(answers, 1)}


def _codes(volley: Volley) -> list[str]:
    return [one.code for one in volley.utterances if one.code]
