"""The command ``python -m mi_arena.records status``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mi_arena.jobs.script import DONE
from mi_arena.publishing.status import Released, Status, read_status

DESCRIPTION = (
    "Count what is stored and what of it is in the private dataset, while the app runs or not; "
    "nothing of any conversation is shown. Lines that begin with ALARM say what does not add up, "
    "those with NOTICE what is to be known and may be meant. "
    "Exit codes: 0 all is well, 2 bad input or a store that cannot be read, 4 there is an alarm."
)
ALARMED = 4
"""Neither a fault nor bad input: whoever asks once an hour is to be woken by it."""


def show(data: Path, as_json: bool) -> int:
    """Print the status of a data folder; the exit code. Raises ``StoreError``."""
    status = read_status(data)
    print(json.dumps(status.json(), ensure_ascii=False) if as_json else "\n".join(_lines(status)))
    return ALARMED if status.alarms else DONE


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _lines(status: Status) -> Iterator[str]:
    yield f"battles started            {status.battles_started}"
    yield f"judgements acknowledged    {status.judgements_acknowledged}"
    yield f"events stored              {status.events_stored}"
    there = status.publishing
    if there is None:
        yield f"events in the dataset      –  ({status.publishing_reason})"
    else:
        yield f"events in the dataset      {there.events_published}  ({there.dataset})"
        oldest = there.oldest_waiting_seconds
        since = "" if oldest is None else f"  (the oldest for {oldest:.0f} s)"
        yield f"events waiting             {there.events_waiting}{since}"
        yield f"last commit                {_noted(there.last_commit, 'id')}"
        yield f"last error                 {_noted(there.last_error, 'line')}"
    if status.release is None:
        yield f"records in the release     –  ({status.release_reason})"
    else:
        yield from _release(status.release)
    for alarm in status.alarms:
        yield f"ALARM: {alarm.line}"
    for notice in status.notices:
        yield f"NOTICE: {notice.line}"


def _release(last: Released) -> Iterator[str]:
    yield f"last release               {last.pushed_at}  {last.repo} at {last.commit}"
    for name, table in last.tables.items():
        why = ", ".join(f"{count} {reason}" for reason, count in table.left_out.items())
        not_counted = f"; not counted: {table.not_counted}" if table.not_counted else ""
        yield f"  {name:<24} {table.released}  (left out: {why or 'none'}{not_counted})"
    yield f"  {'judgements since':<24} {last.judgements_since}"


def _noted(note: dict[str, Any] | None, key: str) -> str:
    return "–" if note is None else f"{note['at']}  {note[key]}"
