"""Asks for a run's job, once: what was asked for and not answered is looked for by its label.

A job costs money from its start to its end, so a kill at any moment, or an answer that got lost,
must not lead to a second one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import httpx2
from huggingface_hub import HfApi, JobInfo

from mi_arena.hub.hub_errors import HUB_ERRORS, hub_line, passes, wait_asked
from training.on_hub.job_note import JobNote
from training.on_hub.job_spec import ATTEMPT_LABEL, RUN_LABEL, SURROUNDINGS, JobSpec

GOING = {"SCHEDULING", "RUNNING", "UPDATING"}
"""Stages in which a job is or will be paid for; the others are ends."""
LOOKS = (1.0, 3.0, 8.0)
"""Seconds to wait before each look for a job that may have been made."""
TRIES = 6


def stage_of(job: JobInfo) -> str:
    """The Hub's word, also for one that its client doesn't know yet."""
    return str(getattr(job.status.stage, "value", job.status.stage))


def goes_on(job: JobInfo) -> bool:
    return stage_of(job) in GOING


def jobs_of(api: HfApi, note: JobNote) -> list[JobInfo]:
    """All that were ever asked for by this run, the last attempt first."""
    found = api.list_jobs(labels={RUN_LABEL: note.key}, namespace=note.namespace)
    return sorted(found, key=attempt_of, reverse=True)


def attempt_of(job: JobInfo) -> int:
    told = (job.labels or {}).get(ATTEMPT_LABEL, "")
    return int(told) if told.isdigit() else 0


def seconds_run(job: JobInfo) -> float:
    """How long it has had its machine so far, as far as the Hub tells."""
    if job.durations is not None and job.durations.running_secs is not None:
        return float(job.durations.running_secs)
    if job.started_at is None or job.finished_at is None:
        return 0.0
    span: timedelta = job.finished_at - job.started_at
    return max(0.0, span.total_seconds())


def look_for(
    api: HfApi, note: JobNote, sleep: Callable[[float], None] = time.sleep
) -> JobInfo | None:
    """The job of this attempt, which may just have been made and not be listed yet."""
    for pause in LOOKS:
        sleep(pause)
        for job in jobs_of(api, note):
            if attempt_of(job) == note.attempt:
                return job
    return None


def submit(
    api: HfApi,
    note: JobNote,
    spec: JobSpec,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> JobInfo:
    """Make the job of the note's attempt, which was not asked for before. Raises what the client
    raises, when the Hub refuses it or was out of reach all the time."""
    for tries in range(1, TRIES + 1):
        try:
            return api.run_job(
                image=spec.image,
                command=spec.command,
                name=spec.name,
                labels=spec.labels,
                env=SURROUNDINGS,
                secrets={"HF_TOKEN": str(api.token)},
                flavor=note.flavor,
                timeout=note.timeout_seconds,
                namespace=note.namespace,
            )
        except HUB_ERRORS as error:
            if not passes(error) or tries == TRIES:
                raise
            say(f"asking for the job: {hub_line(error)}; trying again")
            sleep(wait_asked(error) or 0.0)
            # A server that wasn't reached has made nothing; any other may have.
            if not isinstance(error, httpx2.ConnectError) and (made := look_for(api, note, sleep)):
                return made
    raise AssertionError("the last try returns or raises")


def keep_one(api: HfApi, jobs: Sequence[JobInfo], say: Callable[[str], None]) -> JobInfo | None:
    """The job that goes on, if there is one; should there be more, the others are cancelled."""
    going = [job for job in jobs if goes_on(job)]
    for other in going[1:]:
        say(f"job {other.id} is one too many for this run: cancelled")
        api.cancel_job(job_id=other.id, namespace=other.owner.name)
    return going[0] if going else None
