"""``python -m mi_arena.release build``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mi_arena.jobs.ending import ANEW, exit_code
from mi_arena.jobs.script import BadInput, stop_on_terminate
from mi_arena.release.build import LICENCE, build
from mi_arena.release.manifest import Manifest
from mi_arena.settings import PREFIX, Settings, SettingsError, load_settings, study_secret


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Writes the public release of the study's records: parquet files of judgements, codings "
        "and battles, the epochs with the seeds of closed ones, and the dataset card. Personal "
        "data is masked; withdrawn records, crises and open epochs are left out and counted. "
        f"Runs while the app does. Needs its {PREFIX}DATA and {PREFIX}SECRET."
    )
    parser.epilog = "Exit codes: 0 done; 2 bad input or setting; 3 stopped."
    parser.add_argument(
        "--out", type=Path, required=True, help="the folder to write; an older release is replaced"
    )
    parser.add_argument("--data", type=Path, help=f"the app's data folder (default: {PREFIX}DATA)")
    parser.add_argument(
        "--licence",
        default=LICENCE,
        help="the dataset's, as the Hub names it (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="the counts as one JSON object")


def run(options: argparse.Namespace) -> int:
    def work() -> None:
        settings = settings_of(options.data)
        built = build(settings.data, _secret(settings), options.out, options.licence)
        if options.json:
            print(json.dumps(built.manifest.model_dump(mode="json")))
        else:
            print("\n".join([*_told(built.manifest), f"written to {options.out}"]))
        if built.open_work:
            print(
                f"note: {built.open_work} pieces of experts' work on these dialogues are not "
                "finished; whoever has them could look up the systems once this is public",
                file=sys.stderr,
            )

    stop_on_terminate()
    return exit_code("mi_arena.release build", work, ANEW)


def settings_of(data: Path | None) -> Settings:
    """The app's settings, with another data folder if one is named. Raises ``BadInput``."""
    try:
        settings = load_settings()
    except SettingsError as error:
        raise BadInput(str(error)) from None
    return settings if data is None else settings.model_copy(update={"data": data})


def _secret(settings: Settings) -> bytes:
    """The secret under which the app ran: none is made here. Raises ``BadInput``."""
    if settings.secret is None and not (settings.data / "secret").is_file():
        raise BadInput(
            f"{PREFIX}SECRET: not set, and {settings.data} holds none; set the one of the app"
        )
    try:
        return study_secret(settings)
    except SettingsError as error:
        raise BadInput(str(error)) from None


def _told(manifest: Manifest) -> list[str]:
    lines = []
    for table, counts in manifest.tables.items():
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts.left_out.items())
        lines.append(f"{table}: {counts.released}; left out: {reasons or 'none'}")
    masked = ", ".join(f"{n} {kind}" for kind, n in manifest.masked.items())
    return [*lines, f"masked: {masked or 'nothing'}", f"tombstones: {manifest.tombstones}"]
