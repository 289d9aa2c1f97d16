"""``python -m mi_arena.release push``."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from mi_arena.hub.hub_client import open_hub
from mi_arena.hub.patience import Patience
from mi_arena.jobs.ending import GOES_ON, exit_code
from mi_arena.jobs.script import BadInput, stop_on_terminate
from mi_arena.release.build_command import settings_of
from mi_arena.release.manifest import read_manifest
from mi_arena.release.push import check_repo, push
from mi_arena.release.status import LastRelease, note_release
from mi_arena.settings import PREFIX


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Makes the public dataset hold exactly the release in DIR, in one commit, and squashes "
        "its history, so that what was withdrawn is in no older commit either. Pushing the same "
        "again changes nothing. Needs HF_TOKEN."
    )
    parser.epilog = (
        "Exit codes: 0 done; 2 bad input, or the Hub refuses or stays out of reach; 3 stopped."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="what `build` has written")
    parser.add_argument("--repo", help=f"owner/name of the dataset (default: {PREFIX}RELEASE)")
    parser.add_argument(
        "--data", type=Path,
        help=f"the app's data folder, which notes what was released (default: {PREFIX}DATA)",
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
    check_repo(repo, settings.dataset)
    manifest = read_manifest(options.folder)
    if not settings.data.is_dir():
        raise BadInput(f"--data: there is no folder {settings.data}; name the app's data folder")
    patience = Patience(lambda line: print(line, file=sys.stderr), options.patience)
    pushed = push(options.folder, repo, open_hub(), patience)
    note_release(
        settings.data,
        LastRelease(
            repo=pushed.repo, commit=pushed.commit, pushed_at=datetime.now(UTC), held=manifest
        ),
    )
    if options.json:
        told = {"repo": pushed.repo, "commit": pushed.commit, "changed": pushed.changed}
        print(json.dumps(told))
    else:
        did = "pushed" if pushed.changed else "already there"
        print(f"{did}: {pushed.repo} at {pushed.commit}")
