"""``python -m mi_arena.release push``."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path

from mi_arena.hub.hub_client import open_hub
from mi_arena.hub.patience import Patience
from mi_arena.jobs.ending import GOES_ON, exit_code
from mi_arena.jobs.script import BadInput, stop_on_terminate
from mi_arena.records.release_events import ReleasePushed
from mi_arena.records.store import EventStore, StoreError
from mi_arena.release.build_command import settings_of
from mi_arena.release.freshness import check_fresh
from mi_arena.release.manifest import Manifest, read_manifest
from mi_arena.release.push import Pushed, check_repo, push
from mi_arena.release.status import last_release, note_release
from mi_arena.settings import PREFIX
from mi_arena.workspace.study_reading import database_in


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Makes the public dataset hold exactly the release in DIR, in one commit, and squashes "
        "its history, so that what was withdrawn is in no older commit either. Pushing the same "
        "again changes nothing. What was built before a withdrawal, or before the last release, is "
        "refused. Needs HF_TOKEN."
    )
    parser.epilog = (
        "Exit codes: 0 done; 2 bad input, or the Hub refuses or stays out of reach; 3 stopped."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="what `build` has written")
    parser.add_argument("--repo", help=f"owner/name of the dataset (default: {PREFIX}RELEASE)")
    parser.add_argument(
        "--data", type=Path,
        help=f"the app's data folder, whose records say what was released (default: {PREFIX}DATA)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=600, metavar="SECONDS",
        help="how long to wait out a Hub that fails (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="where it is, as one JSON object")


def run(options: argparse.Namespace) -> int:
    stop_on_terminate()
    return exit_code("mi_arena.release push", lambda: _push(options), GOES_ON)


def _push(options: argparse.Namespace) -> None:
    settings = settings_of(options.data)
    repo: str | None = options.repo or settings.release
    if repo is None:
        raise BadInput(f"--repo: not given, and {PREFIX}RELEASE is not set; name the dataset")
    check_repo(repo, settings.published_to)
    manifest = read_manifest(options.folder)
    database = database_in(settings.data)
    patience = Patience(lambda line: print(line, file=sys.stderr), options.patience)
    try:
        with closing(EventStore(database)) as store:
            last = last_release(store)
            kept = store.count(), store.count("withdrawn")
            check_fresh(options.folder, manifest, *kept, last.told if last else None)
            pushed = push(options.folder, repo, open_hub(), patience)
            _note(store, pushed, manifest)
    except StoreError as error:
        raise BadInput(f"--data: {error}") from None
    if options.json:
        told = {"repo": pushed.repo, "commit": pushed.commit, "changed": pushed.changed}
        print(json.dumps(told))
    else:
        did = "pushed" if pushed.changed else "already there"
        print(f"{did}: {pushed.repo} at {pushed.commit}")


def _note(store: EventStore, pushed: Pushed, manifest: Manifest) -> None:
    told = ReleasePushed(
        repo=pushed.repo,
        commit=pushed.commit,
        events=manifest.events,
        tombstones=manifest.tombstones,
        tables=manifest.tables,
    )
    try:
        note_release(store, told)
    except StoreError as error:
        raise BadInput(
            f"{pushed.repo} holds the release, but the records don't say so: {error}; the same "
            "command goes on from here"
        ) from None
