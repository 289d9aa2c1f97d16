"""A job's image, command, labels and surroundings, from what a run needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import huggingface_hub

from mi_arena.jobs.finetune_config import FinetuneConfig
from training.on_hub import bootstrap
from training.on_hub.job_note import JobNote
from training.on_hub.store import CONFIG, RUN

IMAGE = "pytorch/pytorch:2.12.0-cuda12.6-cudnn9-runtime"
"""Python 3.12 and a torch that requirements.txt allows, so that none has to be installed."""
RUN_LABEL, ATTEMPT_LABEL = "mi-arena-run", "mi-arena-attempt"
SURROUNDINGS = {
    "PYTHONUNBUFFERED": "1",
    "PIP_BREAK_SYSTEM_PACKAGES": "1",  # the image is ours alone
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@dataclass(frozen=True)
class JobSpec:
    image: str
    command: list[str]
    labels: dict[str, str]
    name: str


def job_spec(
    note: JobNote, config: FinetuneConfig, image: str, gpus: int, publish_seconds: float
) -> JobSpec:
    """The job of the note's attempt; all it is told is in the note and in the run's folder."""
    worker = [
        f"--repo={note.repo}",
        f"--prefix={note.prefix}",
        f"--attempt={note.attempt}",
        f"--seconds={note.timeout_seconds}",
        f"--every={publish_seconds:g}",
        "--",
        *training_arguments(gpus),
    ]
    packages = "bitsandbytes" if config.quantization == "4bit" else ""
    source = Path(bootstrap.__file__).read_text(encoding="utf-8")
    start = ["python3", "-c", source, note.repo, note.prefix, huggingface_hub.__version__, packages]
    labels = {RUN_LABEL: note.key, ATTEMPT_LABEL: str(note.attempt)}
    return JobSpec(image, [*start, *worker], labels, f"mi-arena-{note.prefix}")


def training_arguments(gpus: int) -> list[str]:
    """Of Python; on several GPUs a process for each."""
    train = ["-m", "training.finetune", CONFIG, "--out", RUN]
    if gpus < 2:
        return train
    launch = ["-m", "accelerate.commands.launch", "--num_processes", str(gpus)]
    return [*launch, "--config_file", "training/recipes/accelerate/ddp.yaml", *train]
