"""``python -m eval.judge gather``: people's codings of the judge's dialogues, for ``validate``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from eval.judge.codings import Coded, read_codings
from mi_arena.dialogue import spoken_sha256
from mi_arena.jobs.run_directory import write_atomically
from mi_arena.jobs.script import DONE, WRONG_INPUT, BadInput
from mi_arena.records.store import StoreError
from mi_arena.settings import SettingsError, load_settings
from mi_arena.workspace.ledger import Books, Handed
from mi_arena.workspace.material import MaterialStore
from mi_arena.workspace.study_reading import study_read

NAME = "eval.judge gather"

DESCRIPTION = """\
Write what people coded in the workspace of the dialogues that a judge coded, as `validate --human`
reads it. Dialogues are the same where their text is. The adjudicated coding of a dialogue goes
before independent ones by experts, of which the first handed in is taken. Codings made beside a
judge's suggestions are left out: they would validate nothing.

Exit codes: 0 done, 2 bad input, or people coded none of these dialogues.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments to its parser."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("codings", type=Path, metavar="A.jsonl", help="what `code` wrote")
    add("--out", type=Path, required=True, metavar="B.jsonl", help="where people's codings go")
    add(
        "--data", type=Path, metavar="DIR", help="the app's records (default MI_ARENA_DATA, ./data)"
    )


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. No text of a dialogue is ever printed."""
    try:
        judged = read_codings(options.codings)
        if options.out.resolve() == options.codings.resolve():
            raise BadInput("--out: is the input itself: name another file")
        found = _gathered(judged, options.data or load_settings().data)
        if not found:
            raise BadInput(f"{options.codings}: people coded none of these dialogues")
        lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in found]
        write_atomically(options.out, "".join(lines))
    except (BadInput, SettingsError, StoreError, OSError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return WRONG_INPUT
    print(f"{len(found)} of {len(judged)} dialogues coded by people: {options.out}")
    return DONE


def _gathered(judged: list[Coded], data: Path) -> list[dict[str, Any]]:
    with study_read(data) as study:
        by_text = _by_text(study.books, study.material)
    return [
        _line(one, by_text[one.dialogue_sha256]) for one in judged if one.dialogue_sha256 in by_text
    ]


def _by_text(books: Books, material: MaterialStore) -> dict[str | None, Handed]:
    """The coding to hold a judge against, of each dialogue, by the hash of its text."""
    found: dict[str | None, Handed] = {}
    for handed in sorted(_independent(books), key=_rank):
        coded = books.dialogues.get(handed.told.dialogue)
        if coded is not None:
            found.setdefault(spoken_sha256(material.messages(coded)), handed)
    return found


def _independent(books: Books) -> Iterator[Handed]:
    for handed in books.latest():
        told = handed.told
        if told.source in ("adjudicated", "assigned") and told.suggestion is None:
            yield handed


def _rank(handed: Handed) -> tuple[bool, datetime]:
    """What was adjudicated first, then the earlier."""
    return handed.told.source != "adjudicated", handed.at


def _line(judged: Coded, handed: Handed) -> dict[str, Any]:
    told = handed.told
    return {
        "id": judged.id,
        "lang": judged.lang,
        "coder": {
            "kind": "human",
            "name": "adjudicated" if told.source == "adjudicated" else handed.rater,
        },
        **told.filled.model_dump(mode="json", exclude_none=True),
    }
