"""From a run to its job: the one that goes on or has done the work already, or a new one."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi

from mi_arena.hub.hub_errors import HUB_ERRORS, told
from mi_arena.hub.patience import Patience
from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.script import DONE
from training.base_place import locate
from training.on_hub.code_archive import archive
from training.on_hub.following import Follower
from training.on_hub.hardware import Flavor, flavor_named, flavors, within_cost
from training.on_hub.job_inputs import JobInputs
from training.on_hub.job_note import JobNote, write_note
from training.on_hub.job_spec import job_spec
from training.on_hub.mirroring import MirroredRun
from training.on_hub.store import CODE, CONFIG, INPUTS, STOP, RunStore
from training.on_hub.submitting import (
    attempt_of,
    goes_on,
    jobs_of,
    keep_one,
    look_for,
    seconds_run,
    submit,
)

PATIENCE = 300.0
"""Seconds for which what precedes the job is tried again."""
LEAST_GRACE = 300.0


@dataclass
class Rental:
    """Raises ``BadInput`` in one line for all that the Hub refuses."""

    options: argparse.Namespace
    config: FinetuneConfig
    run: MirroredRun
    api: HfApi
    note: JobNote
    inputs: JobInputs
    code: dict[str, bytes]

    def __post_init__(self) -> None:
        self.store = RunStore(self.api, self.note.repo, self.note.prefix)
        self.patient = Patience(self.run.log, PATIENCE)
        self._attempts = self.note.attempt
        """Highest number of an attempt so far; somebody may have started a copy on the Hub."""

    def follower(self) -> Follower:
        """Of the note's job."""
        options = self.options
        return Follower(
            self.api,
            self.store,
            self.note,
            self.run,
            poll_seconds=options.poll,
            offline_seconds=options.offline * 60,
            # It sees the request at its next upload, then finishes a step, saves and uploads.
            grace_seconds=LEAST_GRACE + options.publish,
        )

    def find(self) -> bool:
        """Whether there is a job to look after: one that goes on, or that of the last attempt
        if all that this config asks for is made."""
        note = self.note
        with told(f"{note.namespace}: its jobs"):
            if note.asked and note.job_id is None:
                self.patient("the run's job", lambda: look_for(self.api, note))
            jobs = self.patient("the run's jobs", lambda: jobs_of(self.api, note))
            going = keep_one(self.api, jobs, self.run.log)
        self._attempts = max([self._attempts, *map(attempt_of, jobs)])
        job = going or next((job for job in jobs if attempt_of(job) == note.attempt), None)
        if job is None:
            return False
        note.attempt, note.job_id = attempt_of(job), job.id
        write_note(self.run.path, note)
        same = note.config_sha256 == self.inputs.config_sha256
        return goes_on(job) or (same and self._is_made())

    def _is_made(self) -> bool:
        mirror = self.follower().mirror
        with told(f"--repo {self.note.repo}"):
            self.patient("the run's files", mirror.look)
        return mirror.outcome is not None and mirror.outcome.code == DONE

    def begin(self) -> None:
        """Check and upload what the job needs, and start it."""
        options, note, run = self.options, self.note, self.run
        note.asked, note.job_id = False, None
        with told("the list of machines"):
            machines = self.patient("the machines", lambda: flavors(self.api))
        flavor = flavor_named(machines, options.flavor)
        note.flavor, note.timeout_seconds = flavor.name, self._timeout(flavor, machines)
        run.log(priced(flavor, note.timeout_seconds))
        if flavor.gpus > 1:
            run.log(f"{flavor.gpus} GPUs: a step learns from {flavor.gpus} times as many dialogues")
        self._check_base()
        with told(f"--repo {note.repo}"):
            self.patient("the repository", self.store.create)
            self._upload()
        self._ask(flavor)

    def _ask(self, flavor: Flavor) -> None:
        """What is asked for is noted before, and what was answered after."""
        note, run = self.note, self.run
        note.attempt, note.asked = self._attempts + 1, True
        note.config_sha256 = self.inputs.config_sha256
        write_note(run.path, note)
        options = self.options
        spec = job_spec(note, self.inputs.config, options.image, flavor.gpus, options.publish)
        with told(f"{note.namespace}: the job"):
            try:
                job = submit(self.api, note, spec, run.log)
            except HUB_ERRORS:
                note.asked = False
                write_note(run.path, note)
                raise
        note.job_id = job.id
        write_note(run.path, note)
        run.log(f"attempt {note.attempt}: job {job.id}, {self.follower().url}")

    def _timeout(self, flavor: Flavor, machines: list[Flavor]) -> int:
        """In seconds, cut where the run's money ends."""
        options = self.options
        if options.max_cost is None:
            return int(options.timeout)
        prices = {machine.name: machine.usd_per_hour or 0.0 for machine in machines}
        spent = 0.0
        if self.note.attempt:
            with told("--max-cost: the run's jobs"):
                jobs = self.patient("the run's jobs", lambda: jobs_of(self.api, self.note))
            spent = sum(prices.get(str(job.flavor), 0) * seconds_run(job) / 3600 for job in jobs)
        return within_cost(flavor, options.timeout, options.max_cost, spent)

    def _check_base(self) -> None:
        """A base on the Hub that the token may not read would fail only when it is paid for."""
        base, revision = self.config.base, self.config.revision
        if locate(base)[1]:
            return
        with told(f"base: {base}"):
            self.patient("the base", lambda: self.api.auth_check(base))
            self.patient("the base", lambda: self.api.repo_info(base, revision=revision))

    def _upload(self) -> None:
        inputs, store = self.inputs, self.store
        self.run.log(
            f"uploading {len(inputs.files)} files, {inputs.size / 1e6:.1f} MB, and the code to "
            f"{store.repo}/{store.prefix}; what is there already is not sent again"
        )
        add: dict[str, bytes | Path] = {CODE: archive(self.code), CONFIG: inputs.text.encode()}
        add |= {f"{INPUTS}/{name}": file for name, file in inputs.files.items()}

        def send() -> None:
            old = store.files(INPUTS).keys() - add.keys()
            stop = {STOP} & store.files("", recursive=False).keys()
            store.commit("inputs", add, delete=sorted(old | stop))

        self.patient("the upload", send)


def priced(flavor: Flavor, timeout: int) -> str:
    """What is known of the cost before the start: a limit, not an estimate."""
    hours, price = timeout / 3600, flavor.usd_per_hour
    known = f"{price:.2f} USD an hour, so at most {price * hours:.2f} USD" if price else "no price"
    return f"{flavor.name} ({flavor.device}): {known}; ends after {hours:.3g} h at the latest"
