"""``python -m eval.judge suggest``: a judge's codings into the workspace, where an admin allows."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.judge.codings import read_codings
from eval.judge.standing import judge_of
from mi_arena.battles.refusal import Refused
from mi_arena.jobs.script import DONE, WRONG_INPUT, BadInput
from mi_arena.records.store import EventStore, StoreError
from mi_arena.settings import SettingsError, load_settings
from mi_arena.workspace.ledger import Ledger
from mi_arena.workspace.study_reading import database_in
from mi_arena.workspace.suggestions import Attached, Judged, Suggestions

NAME = "eval.judge suggest"

DESCRIPTION = """\
Attach a judge's codings to the workspace's dialogues of the same text, as suggestions: they stand
greyed beside the form, fill nothing in, and a coding that is made beside one says so.

Only for imports for which an admin has allowed it on the page, and there only for reference
dialogues that are compared with nothing. Sides of battles, dialogues of a match and what a system
under study has answered are coded blind: suggestions are never attached to them.

Exit codes: 0 done, 2 bad input, or nothing could be attached (one line says why).
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments to its parser."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("codings", type=Path, metavar="OUT.jsonl", help="what `code` wrote")
    add(
        "--data", type=Path, metavar="DIR", help="the app's records (default MI_ARENA_DATA, ./data)"
    )
    add("--json", action="store_true", help="the counts as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. No text of a dialogue is ever printed."""
    try:
        judged = list(_judged(options.codings))
        attached = _attach(judged, options.data or load_settings().data)
        if not attached.new and not attached.known:
            raise BadInput(f"{options.codings}: nothing attached: {_why(attached)}")
    except (BadInput, SettingsError, StoreError, OSError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return WRONG_INPUT
    except Refused:
        print(f"{NAME}: the records cannot be written now: try again", file=sys.stderr)
        return WRONG_INPUT
    told = _record(attached)
    print(json.dumps(told) if options.json else _sentence(attached))
    return DONE


def _judged(path: Path) -> Iterator[Judged]:
    """Raises ``BadInput`` where a line is no judge's."""
    for one in read_codings(path):
        judge = judge_of(one)
        if judge is None or one.dialogue_sha256 is None:
            raise BadInput(f"{one.place}: is no judge's coding; name what `eval.judge code` wrote")
        yield Judged(
            one.dialogue_sha256,
            one.coding,
            judge.model,
            judge.prompt_version,
            judge.prompt_sha256,
        )


def _attach(judged: list[Judged], data: Path) -> Attached:
    store = EventStore(database_in(data))
    try:
        return Suggestions(store, Ledger(store)).attach(judged)
    finally:
        store.close()


def _record(attached: Attached) -> dict[str, Any]:
    return {name: value for name, value in asdict(attached).items() if isinstance(value, int)}


def _sentence(attached: Attached) -> str:
    return (
        f"{attached.new} suggestions attached, {attached.known} there already; left out: "
        f"{_why(attached)}"
    )


def _why(attached: Attached) -> str:
    """What was left out, and why."""
    return (
        f"{attached.study_items} coded blind (never), {attached.not_allowed} not allowed by an "
        f"admin, {attached.not_here} not in the workspace"
    )
