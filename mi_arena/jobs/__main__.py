"""``python -m mi_arena.jobs``: start, follow, stop and resume runs from a shell, as the tabs do."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from mi_arena.jobs.inputs import UPLOADS
from mi_arena.jobs.launching import JobError, Launcher
from mi_arena.jobs.places import HERE, Gpus
from mi_arena.jobs.script import DONE, WRONG_INPUT, BadInput
from mi_arena.jobs.scripts import NEEDED_SECRETS, ON_SEVERAL_GPUS, project_scripts
from mi_arena.jobs.viewing import RunView
from mi_arena.settings import ROOT, SettingsError, load_settings

FOLDER_WORD = "{run}"
SENTENCES = {
    "no_run": "no such run; `list` names them",
    "no_script": "its script can't be started from here",
    "not_running": "it has stopped already",
    "still_running": "it is still running; `stop` it first",
    "from_a_shell": "it was started in a shell; give the same command there again",
}


def parse(argv: list[str] | None) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--root",
        type=Path,
        default=argparse.SUPPRESS,
        help="folder of all runs (default: MI_ARENA_RUNS, or runs)",
    )
    common.add_argument("--json", action="store_true", help="what is told, as JSON, one a line")
    parser = argparse.ArgumentParser(
        prog="python -m mi_arena.jobs",
        description="Start, follow, stop and resume runs. A run goes on when the shell is closed, "
        "and shows up in the app's tabs. Exit codes: 0 done, 2 bad input.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", parents=[common], help="all runs, the newest first")
    submit = verbs.add_parser(
        "submit",
        parents=[common],
        help="start a script",
        usage="%(prog)s [options] -- MODULE [ARGUMENT ...]",
        description=f"Start a script of training or eval. {FOLDER_WORD} in its arguments stands "
        "for the run's own folder, as in: submit -- training.finetune demo.yaml --out "
        f"{FOLDER_WORD}. Fine-tunes wait for each other.",
    )
    submit.add_argument("--name", help="the run's name (default: the script's, with the time)")
    submit.add_argument(
        "--gpus", type=int, default=1, metavar="N", help="a process on each of N GPUs (default: 1)"
    )
    submit.add_argument("module", metavar="MODULE", help="as in python -m MODULE")
    submit.add_argument("arguments", metavar="ARGUMENT", nargs="*", help="what it is given")
    for verb, told in (
        ("status", "how a run stands"),
        ("logs", "the end of its log"),
        ("stop", "ask it to end; it keeps what it has"),
        ("resume", "go on where it was stopped or interrupted"),
        ("fetch", "the files it has written"),
    ):
        one = verbs.add_parser(verb, parents=[common], help=told)
        one.add_argument("name", help="the run's name, as listed")
        if verb == "logs":
            one.add_argument("--lines", type=int, default=200, help="at most so many")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        root = options.root if "root" in options else load_settings().runs
        launcher = Launcher(root, project_scripts(ROOT), Path.cwd(), NEEDED_SECRETS)
        act(options, launcher)
    except JobError as error:
        return refuse(f"{options.name}: {SENTENCES[error.code]}")
    except (BadInput, SettingsError) as error:
        return refuse(str(error))
    except OSError as error:
        return refuse(f"{error.filename}: {error.strerror}")
    return DONE


def refuse(line: str) -> int:
    print(f"mi_arena.jobs: {line}", file=sys.stderr)
    return WRONG_INPUT


def act(options: argparse.Namespace, launcher: Launcher) -> None:
    """The chosen verb. Raises ``JobError``, ``BadInput`` and ``OSError``."""
    match options.verb:
        case "list":
            for run in launcher.runs():
                tell(run, options.json)
        case "submit":
            tell(submitted(options, launcher), options.json)
        case "status":
            tell(launcher.status(options.name), options.json)
        case "resume":
            tell(launcher.resume(options.name), options.json)
        case "stop":
            launcher.stop(options.name)
        case "logs":
            for line in launcher.logs(options.name, options.lines):
                print(json.dumps(line, ensure_ascii=False) if options.json else line)
        case "fetch":
            for file in launcher.fetch(options.name):
                print(json.dumps(str(file), ensure_ascii=False) if options.json else file)


def submitted(options: argparse.Namespace, launcher: Launcher) -> RunView:
    """The run begun. Raises ``BadInput`` for a script or a name that can't be taken."""
    module, known = options.module, project_scripts(ROOT)
    if module not in known:
        close = difflib.get_close_matches(module, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "it must be one of training or eval"
        raise BadInput(f"{module}: no script of this project; {hint}")
    if options.gpus < 1:
        raise BadInput(f"--gpus: {options.gpus} is less than 1")
    if options.gpus > 1 and module not in ON_SEVERAL_GPUS:
        raise BadInput(f"--gpus: {module} runs as one process; leave it out")
    folder = new_folder(launcher, options.name) if options.name else launcher.new_folder(module)
    words = [word.replace(FOLDER_WORD, str(folder.resolve())) for word in options.arguments]
    place = Gpus(options.gpus) if options.gpus > 1 else HERE
    return launcher.submit(folder, module, words, place)


def new_folder(launcher: Launcher, name: str) -> Path:
    """An empty folder of that name. Raises ``BadInput`` where it is none, or taken."""
    if not re.fullmatch(r"\w[\w.-]*", name) or name == UPLOADS:
        raise BadInput(f"--name: {name}: give letters, digits, dots and dashes")
    folder = launcher.root / name
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"--name: {name}: there already; resume it, or give another name")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tell(run: RunView, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(run), default=str, ensure_ascii=False))
        return
    parts = [run.name, run.state]
    if run.ahead is not None:
        parts.append(f"{run.ahead} ahead" if run.ahead else "next in line")
    if run.total:
        parts.append(f"{run.step}/{run.total}")
    if run.active and run.eta_seconds is not None:
        parts.append(f"{timedelta(seconds=round(run.eta_seconds))} left")
    if run.error:
        parts.append(run.error)
    print("  ".join(parts))


if __name__ == "__main__":
    raise SystemExit(main())
