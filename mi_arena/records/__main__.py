"""``python -m mi_arena.records``: every event in a file, and how publishing stands.

An exported file is there whole or not at all: it is written beside its place and then put into it.
It is for its owner alone, as the store is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from mi_arena.publishing import status_command
from mi_arena.records.store import DATABASE_NAME, EventStore, StoreError


def export(store: EventStore, out: Path) -> int:
    """Write the events in the order in which they were appended; returns how many there were."""
    part = out.with_name(out.name + ".part")
    count = 0
    try:
        part.unlink(missing_ok=True)  # what a kill has left keeps the rights that it was made with
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
            # disable=None: a bar in a terminal, silence in a pipe.
            for event in tqdm(store.events(), total=store.count(), unit="event", disable=None):
                lines.write(event.model_dump_json() + "\n")
                count += 1
            lines.flush()
            os.fsync(lines.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mi_arena.records", description="Work with the study's record of events."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    exporting = commands.add_parser(
        "export",
        help="write every event as JSONL",
        description="Write every event as JSONL, in the order in which they were stored: withdrawn "
        "conversations, members' labels and the sides of open epochs too. It is the study's own "
        "archive and not fit for release, nor for raters' eyes. "
        "Exit codes: 0 done, 2 bad input or a store that cannot be read.",
    )
    exporting.add_argument("--out", type=Path, required=True, help="the file to write")
    status = commands.add_parser(
        "status",
        help="count what is stored and published",
        description=status_command.DESCRIPTION,
    )
    status_command.configure(status)
    for command in (exporting, status):
        command.add_argument(
            "--data",
            type=Path,
            default=Path(os.environ.get("MI_ARENA_DATA") or "data"),
            help=f"the directory that holds {DATABASE_NAME} (default: MI_ARENA_DATA, or ./data)",
        )
    chosen = parser.parse_args(arguments)

    database: Path = chosen.data / DATABASE_NAME
    if not database.is_file():
        return _refuse(f"there is no {database}: name the app's data directory with --data")
    if chosen.command == "export":
        return _export(database, chosen.out)
    try:
        return status_command.show(chosen.data, chosen.json)
    except StoreError as error:
        return _refuse(str(error))


def _export(database: Path, out: Path) -> int:
    if not out.parent.is_dir():
        return _refuse(f"--out {out}: there is no folder {out.parent}; make it first")
    if out.is_dir():
        return _refuse(f"--out {out}: this is a folder; name a file in it")
    try:
        store = EventStore(database, read_only=True)
        try:
            count = export(store, out)
        finally:
            store.close()
    except StoreError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"--out {out} cannot be written: {error.strerror}")
    print(f"{count} events written to {out}")
    return 0


def _refuse(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
