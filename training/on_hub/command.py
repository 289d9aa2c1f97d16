"""Fine-tune on a rented GPU: ``python -m training.on_hub CONFIG.yaml --out RUN``.

Uploads code, config and data to a private dataset repository on the Hub, starts a Hugging Face job
there, and follows it: the run directory fills up as that of training.finetune does, and at the end
the adapter comes to the config's `output`. The job is paid for by the minute, from its start to
its end, whether or not this script still looks on. Stopped by SIGTERM or Ctrl-C, it has the job
save and end, and exits with 3; the same command again looks after the job if it still goes on,
fetches what it made if it is done, and else starts another, which goes on from the last
checkpoint. Needs a token that may write repositories and start jobs (HF_TOKEN or `hf auth login`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from mi_arena.hub.hub_client import open_hub
from mi_arena.hub.hub_errors import told
from mi_arena.hub.patience import Patience
from mi_arena.jobs.finetune_config import FinetuneConfig, load_config
from mi_arena.jobs.run_directory import alone_in
from mi_arena.jobs.script import (
    DONE,
    FAULT,
    STOPPED,
    WRONG_INPUT,
    BadInput,
    LimitReached,
    fault_line,
    first_line,
    stop_on_terminate,
    tell_fault,
)
from training.on_hub.arguments import parse
from training.on_hub.code_archive import code_files
from training.on_hub.fetching import fetch_outputs
from training.on_hub.following import End, Follower
from training.on_hub.job_inputs import job_inputs
from training.on_hub.job_note import JobNote, new_note, read_note, write_note
from training.on_hub.mirroring import MirroredRun
from training.on_hub.rental import PATIENCE, Rental
from training.output_folder import check_output
from training.same_run import check_place, check_same_run

SCRIPT = "training.on_hub"


def open_rental(options: argparse.Namespace, path: Path, config: FinetuneConfig) -> Rental:
    """All that can be checked before anything is spent or sent. Raises ``BadInput``."""
    check_place(path, rented=True)
    check_same_run(path, config)
    check_output(Path(config.output))
    code = code_files()
    inputs = job_inputs(config, code.keys())
    api = open_hub()
    note = noted(options, path, api)
    write_note(path, note)
    return Rental(options, config, MirroredRun(path), api, note, inputs, code)


def noted(options: argparse.Namespace, path: Path, api: HfApi) -> JobNote:
    """What the run directory remembers, or a new note in a run that has asked for no job yet."""
    note = read_note(path)
    if note is None or note.attempt == 0:
        with told("this token"):
            account = Patience(lambda _: None, PATIENCE)("the account", api.whoami)
        namespace = options.namespace or str(account["name"])
        return new_note(path, namespace, options.repo or f"{namespace}/mi-arena-runs")
    for option, given, kept in (
        ("--namespace", options.namespace, note.namespace),
        ("--repo", options.repo, note.repo),
    ):
        if given not in (None, kept):
            raise BadInput(f"{option} {given}: this run has {kept}; give another --out")
    return note


def rent(rental: Rental) -> End:
    """To the end of a job, and what it made to this machine."""
    follower = None
    try:
        if not rental.find():
            rental.begin()
        follower = rental.follower()
        rental.run.log(f"looking after {follower.url}")
        end = follower.follow()
    except KeyboardInterrupt:
        end = stopped(rental, follower)
    if end.code != DONE:
        return end
    about = f"{rental.store.repo}: what the job made"
    with told(about):
        adapter = rental.patient(
            about, lambda: fetch_outputs(rental.store, rental.config, rental.run)
        )
    return End(DONE, f"adapter: {adapter}")


def stopped(rental: Rental, follower: Follower | None) -> End:
    """The user wants it to end: with it the job, even one whose number had not come yet."""
    if follower is None and rental.note.asked:
        rental.find()
    if not rental.note.asked or rental.note.job_id is None:
        return End(STOPPED, "stopped before there was a job")
    return (follower or rental.follower()).stop()


def ended(rental: Rental, work: Callable[[Rental], End]) -> End:
    """How it ended, noted in the run directory. What is no fault of ours is not raised."""
    try:
        end = work(rental)
    except LimitReached as error:
        end = End(STOPPED, first_line(error))
    except (BadInput, OSError) as error:
        end = End(WRONG_INPUT, first_line(error))
    except KeyboardInterrupt:
        end = End(STOPPED, "stopped")
    except Exception as error:
        end = End(FAULT, f"{fault_line(error)}; a job that was asked for may go on, and be paid "
                  "for: the same command looks after it")  # fmt: skip
        note_end(end, rental.run)
        print(f"{SCRIPT}: {end.line}", file=sys.stderr)
        raise
    note_end(end, rental.run)
    return end


def note_end(end: End, run: MirroredRun) -> None:
    state: Any = {DONE: "done", STOPPED: "stopped"}.get(end.code, "failed")
    if end.line:
        run.log(end.line)
    run.end(state, end.line if state == "failed" else None)


def as_json(end: End, rental: Rental) -> str:
    note = rental.note
    facts = {
        "code": end.code,
        "line": end.line,
        "job": note.job_id,
        "attempt": note.attempt,
        "repo": note.repo,
        "prefix": note.prefix,
        "adapter": rental.config.output if end.code == DONE else None,
    }
    return json.dumps(facts, ensure_ascii=False, indent=1)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv, __doc__ or "")
    path = options.out or Path("runs") / options.config.stem
    stop_on_terminate()
    try:
        config = load_config(options.config)
        with alone_in(path, "--out"):
            rental = open_rental(options, path, config)
            rental.run.start(config.model_dump(), 0)
            end = ended(rental, rent)
    except (BadInput, OSError) as error:
        print(f"{SCRIPT}: {first_line(error)}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print(f"{SCRIPT}: stopped", file=sys.stderr)
        return STOPPED
    except Exception as error:
        return tell_fault(SCRIPT, error)
    if options.json:
        print(as_json(end, rental))
    if end.code != DONE:
        print(f"{SCRIPT}: {end.line}", file=sys.stderr)
    elif not options.json:
        print(end.line)
    return end.code
