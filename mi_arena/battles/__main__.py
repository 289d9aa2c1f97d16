"""``python -m mi_arena.battles``: list the study's epochs, and close one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mi_arena.access.audit import Audit
from mi_arena.records.battle_events import EpochClosed
from mi_arena.records.events import Event
from mi_arena.records.results_query import epochs
from mi_arena.records.store import DATABASE_NAME, AlreadyStored, EventStore, StoreError
from mi_arena.settings import SettingsError, load_settings


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mi_arena.battles", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the records (default: MI_ARENA_DATA)")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("epochs", help="list the epochs, the oldest first")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    closing = commands.add_parser(
        "close", help="close an epoch; its pair's next battle opens another"
    )
    closing.add_argument("epoch", help="the epoch's id, as listed")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        data = options.data or load_settings().data
        store = EventStore(Path(data) / DATABASE_NAME, read_only=options.command == "epochs")
        known = epochs(store)
        if options.command == "epochs":
            for one in known:
                if options.json:
                    print(json.dumps(one._asdict(), default=str, ensure_ascii=False))
                else:
                    state = f"closed {one.closed_at:%Y-%m-%d}" if one.closed_at else "open"
                    print(
                        f"{one.id}  opened {one.opened_at:%Y-%m-%d}  {state}  {one.battles} battles"
                    )
            return 0
        if options.epoch not in {one.id for one in known}:
            print(f"no epoch {options.epoch}; `epochs` lists them", file=sys.stderr)
            return 2
        store.append(Event.of(EpochClosed(reason="admin"), role="admin", epoch=options.epoch))
    except AlreadyStored:
        print(f"epoch {options.epoch} is closed already", file=sys.stderr)
        return 2
    except (SettingsError, StoreError) as error:
        print(error, file=sys.stderr)
        return 2
    Audit(store).record(None, "close-epoch", "epoch", options.epoch)
    print(f"closed {options.epoch}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
