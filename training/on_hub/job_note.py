"""What a run directory remembers of its job: ``job.json``, written before the job is asked for."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mi_arena.jobs.run_directory import write_atomically
from mi_arena.jobs.script import BadInput
from training.same_run import JOB_NAME


class JobNote(BaseModel):
    """Enough to find the job again, even one whose number never arrived."""

    model_config = ConfigDict(extra="forbid")

    key: str
    """Of the run; a label of all its jobs."""
    namespace: str
    """Whose jobs they are, and who pays."""
    repo: str
    prefix: str
    """The run's folder in ``repo``."""
    attempt: int = 0
    """Of the job asked for last; 0 before the first."""
    asked: bool = False
    """Whether that job was asked for and not refused; without a number it may have been made."""
    job_id: str | None = None
    flavor: str | None = None
    timeout_seconds: int | None = None
    config_sha256: str | None = None
    """Of the config that the last job was given."""


def read_note(run: Path) -> JobNote | None:
    """``None`` in a directory without one."""
    file = run / JOB_NAME
    try:
        return JobNote.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError):
        raise BadInput(f"{file}: is damaged; restore it, or give another --out") from None


def write_note(run: Path, note: JobNote) -> None:
    write_atomically(run / JOB_NAME, note.model_dump_json(indent=1) + "\n")


def new_note(run: Path, namespace: str, repo: str) -> JobNote:
    key = secrets.token_hex(8)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", run.resolve().name).strip("-") or "run"
    return JobNote(key=key, namespace=namespace, repo=repo, prefix=f"{name[:60]}-{key[:8]}")
