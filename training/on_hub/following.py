"""Follows a job to its end: how far it is, what it writes, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi, JobInfo
from huggingface_hub.errors import JobNotFoundError, RemoteEntryNotFoundError
from tqdm import tqdm

from mi_arena.hub.hub_errors import HUB_ERRORS, hub_line
from mi_arena.hub.patience import Patience
from mi_arena.jobs.script import FAULT, STOPPED, BadInput
from training.on_hub.job_note import JobNote
from training.on_hub.mirroring import Mirror, MirroredRun
from training.on_hub.outcome import Outcome
from training.on_hub.store import STOP, RunStore
from training.on_hub.submitting import goes_on, stage_of

TIMED_OUT = "timeout"
"""Stands in the message of a job that the Hub ended when its time was over."""
LAST_WORDS = 200
"""Lines of a failed job's log that are kept."""


@dataclass(frozen=True)
class End:
    """``code`` is an exit code of scripts; ``line`` says what happened, if it wasn't all well."""

    code: int
    line: str | None = None


@dataclass
class Follower:
    api: HfApi
    store: RunStore
    note: JobNote
    run: MirroredRun
    poll_seconds: float
    offline_seconds: float
    """How long the Hub may be out of reach before this machine gives up looking."""
    grace_seconds: float
    """How long a job that was asked to stop may take to save and leave."""
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self.mirror = Mirror(self.store, self.run, self.note.attempt)
        self._patient = Patience(self.run.log, self.offline_seconds, self.sleep)

    def follow(self) -> End:
        """Until the job has ended. Raises ``BadInput`` if the Hub is out of reach for too long."""
        stage = None
        bar: tqdm[Any] = tqdm(desc="fine-tuning on the Hub", unit="step", disable=None)
        with bar:
            while True:
                job = self._look()
                if job is None or not goes_on(job):
                    return self._end(job)
                if stage_of(job) != stage:
                    stage = stage_of(job)
                    self.run.log(f"job {job.id}: {said(job)}")
                bar.total = self.mirror.total or None
                bar.update(self.mirror.step - bar.n)
                self.sleep(self.poll_seconds)

    def stop(self) -> End:
        """Ask the job to save and end, cancel it if it takes too long, and say how it went.

        A second interruption cancels it at once.
        """
        try:
            if self._asked_to_end():
                return self._end(self._look())
        except KeyboardInterrupt:
            self.run.log("asked again: cancelling at once")
        self._cancel()
        return End(STOPPED, "stopped: the job is cancelled; the same command goes on from its last "
                   "checkpoint")  # fmt: skip

    def _asked_to_end(self) -> bool:
        """Whether it has ended by itself; one that has no machine yet has nothing to save."""
        job = self._look()
        if job is None or not goes_on(job):
            return True
        if stage_of(job) == "SCHEDULING":
            return False
        self.run.log("asked the job to save and stop")
        self._patient(
            "asking it to stop",
            lambda: self.store.commit("stop", {STOP: f"{self.note.attempt}\n".encode()}),
        )
        waited = 0.0
        while waited < self.grace_seconds:
            self.sleep(self.poll_seconds)
            waited += self.poll_seconds
            job = self._look()
            if job is None or not goes_on(job):
                return True
        self.run.log(f"it has not stopped after {waited:.0f} s: cancelling it")
        return False

    def _cancel(self) -> None:
        note = self.note
        try:
            self._patient(
                "cancelling", lambda: self.api.cancel_job(job_id=str(note.job_id),
                                                          namespace=note.namespace)
            )  # fmt: skip
            self.mirror.look()
        except JobNotFoundError:
            pass
        except HUB_ERRORS as error:
            job = self._look()
            if job is not None and goes_on(job):
                raise BadInput(
                    f"the job could not be cancelled ({hub_line(error)}): it goes on, and is paid "
                    f"for; cancel it at {self.url}"
                ) from None

    @property
    def url(self) -> str:
        return f"{self.api.endpoint}/jobs/{self.note.namespace}/{self.note.job_id}"

    def _look(self) -> JobInfo | None:
        """The job, after its files: what it wrote last was there before it ended. ``None`` for
        one that the Hub has forgotten."""

        def both() -> JobInfo | None:
            try:
                job = self.api.inspect_job(
                    job_id=str(self.note.job_id), namespace=self.note.namespace
                )
            except JobNotFoundError:
                job = None
            self.mirror.look()
            return job

        try:
            return self._patient("looking after the job", both)
        except HUB_ERRORS as error:
            raise BadInput(
                f"gave up looking after the job: {hub_line(error)}; it goes on, and is paid for, "
                f"at {self.url}; the same command looks after it again"
            ) from None

    def _end(self, job: JobInfo | None) -> End:
        outcome = self.mirror.outcome
        if outcome is not None:
            return self._as_told(outcome)
        if job is None or stage_of(job) in ("CANCELED", "DELETED"):
            return End(STOPPED, "the job was cancelled on the Hub; the same command starts "
                       "another, from its last checkpoint")  # fmt: skip
        if TIMED_OUT in said(job).lower():
            return self._time_over()
        self._keep_last_words()
        return End(
            FAULT,
            f"the job failed: {said(job)}; its last words are in console.txt, all of them at "
            f"{self.url}; the same command starts another, from its last checkpoint",
        )

    def _as_told(self, outcome: Outcome) -> End:
        if outcome.code == STOPPED:
            if outcome.reason == "time":
                return self._time_over()
            return End(STOPPED, "stopped; the same command goes on from here")
        if outcome.code == FAULT:
            self._keep_last_words()
        return End(outcome.code, outcome.error)

    def _time_over(self) -> End:
        mirror, hours = self.mirror, (self.note.timeout_seconds or 0) / 3600
        return End(
            STOPPED,
            f"the time of {hours:.3g} h is over at step {mirror.step} of {mirror.total}; the same "
            "command goes on from the last checkpoint: raise --timeout (and --max-cost)",
        )

    def _keep_last_words(self) -> None:
        """The end of the job's log, into the console's file."""
        try:
            words = list(
                self.api.fetch_job_logs(
                    job_id=str(self.note.job_id), namespace=self.note.namespace, tail=LAST_WORDS
                )
            )
        except (*HUB_ERRORS, RemoteEntryNotFoundError) as error:
            words = [f"(the job's log: {hub_line(error)})"]
        with (self.run.path / "console.txt").open("a", encoding="utf-8") as console:
            console.writelines(f"{word}\n" for word in words)


def said(job: JobInfo) -> str:
    stage = stage_of(job).lower()
    return " ".join(f"{stage}: {job.status.message}".split()) if job.status.message else stage
