"""``python -m eval.judge validate``: its arguments, and what is written and said."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.judge.standing import RECORD_NAME
from eval.judge.validation import METHOD, Held, hold
from eval.judge.validation_text import text_of
from mi_arena.jobs.dialogue_files import file_sha256
from mi_arena.jobs.ending import noted
from mi_arena.jobs.own_folder import check_folder
from mi_arena.jobs.run_directory import RunDirectory, alone_in, write_atomically
from mi_arena.jobs.script import DONE, WRONG_INPUT, BadInput, tell_fault

NAME = "eval.judge validate"
TEXT_NAME = "validation.md"

DESCRIPTION = f"""\
Compare a judge's codings with human ones of the same dialogues (same ids, same counsellor text):
per code precision, recall, F1 and kappa, by utterance and by volley; confusion table; over- and
under-calling; ICC(A,1), exact and within-one agreement of globals, counts and summary scores. Each
language by itself.

A line of B says who coded it: "coder": {{"kind": "human", "name": …}}, with "suggestions": true
where a judge's codes stood before the coder. Only codings that are all people's own validate a
judge; otherwise the warning stays that its tables carry. Codes that came with mi_zh are a model's.

--out keeps DIR/{RECORD_NAME}, which reports read, and DIR/{TEXT_NAME}.

Exit codes: 0 done, 2 bad input.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments to its parser."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("--judge", type=Path, required=True, metavar="A.jsonl", help="what `code` wrote")
    add("--human", type=Path, required=True, metavar="B.jsonl", help="codings to hold it against")
    add("--json", action="store_true", help="one JSON object instead of tables")
    add("--out", type=Path, metavar="DIR", help="run directory: keep record and tables there")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. No text of a dialogue is ever printed."""
    try:
        if options.out is None:
            record, text = _made(options)
        else:
            with alone_in(options.out, "--out"):
                record, text = _kept(options)
    except (BadInput, OSError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return WRONG_INPUT
    except Exception as fault:
        return tell_fault(NAME, fault)
    print(record if options.json else text)
    return DONE


def _made(options: argparse.Namespace) -> tuple[str, str]:
    """The record as JSON, and the tables."""
    held = hold(options.judge, options.human)
    record = json.dumps(_record(options, held), ensure_ascii=False, indent=1, allow_nan=False)
    return record, text_of(held)


def _kept(options: argparse.Namespace) -> tuple[str, str]:
    check_folder(options.out, NAME)
    directory = RunDirectory(options.out)
    directory.start(_config(options), 1)
    with noted(directory):
        record, text = _made(options)
        write_atomically(options.out / TEXT_NAME, text + "\n")
        write_atomically(options.out / RECORD_NAME, record + "\n")
        directory.progress(1)
    return record, text


def _config(options: argparse.Namespace) -> dict[str, Any]:
    return {"script": NAME, "judge": str(options.judge), "human": str(options.human)}


def _record(options: argparse.Namespace, held: list[Held]) -> dict[str, Any]:
    files = {
        name: {"path": str(path), "sha256": file_sha256(path)}
        for name, path in (("judge", options.judge), ("human", options.human))
    }
    return {
        "script": NAME,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": files,
        "method": METHOD,
        "results": [one.record() for one in held],
    }
