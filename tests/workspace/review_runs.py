"""Run folders as the rating and the rewriting leave them, for the tests of reviews."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from mi_arena.dialogue import Dialogue, write_dialogues
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from tests.training.rate_stand_in import small_sample
from training.rate.sampling import Sample, write_sample

CORPUS = "corpus-numbat"
"""Would stand out if anything told a rater."""


def rating_run(folder: Path, number: int = 2, size: int = 2) -> Sample:
    """What ``training.rate`` has written before anybody has rated."""
    corpora = folder.parent.parent / f"corpora-{folder.name}"
    corpora.mkdir()
    sample = small_sample(corpora, number, size)
    finished(folder, "training.rate", {"script": "training.rate"})
    write_sample(folder, sample)
    return sample


def rewrite_run(folder: Path, n: int = 3, **config: Any) -> list[Dialogue]:
    """What ``training.transcribe`` has written, beside a source with two dialogues more."""
    sources = folder.parent.parent / f"source-{folder.name}.jsonl"
    write_dialogues(sources, [source(number) for number in range(n + 2)])
    finished(folder, "training.transcribe", {"input": str(sources)} | config)
    made = [rewriting(number) for number in range(n)]
    write_dialogues(folder / "mi.jsonl", made)
    return made


def finished(folder: Path, module: str, config: dict[str, Any]) -> None:
    run = RunDirectory(folder)
    command = {"module": module, "arguments": [str(config.get("input", "x.jsonl"))]}
    write_atomically(folder / "command.json", json.dumps(command))
    run.start(config, 1)
    run.progress(1)
    run.end("done")
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) == config


def source(number: int) -> Dialogue:
    return Dialogue(
        id=f"{CORPUS}-{number}",
        source=CORPUS,
        messages=said(
            (f"我第{number}次失眠了。", "client"),
            ("您应该早点睡。", "counselor"),
            ("我试过，睡不着。", "client"),
            ("那就吃药。", "counselor"),
        ),
        meta={"flags": ["crisis"] if number == 1 else []},
    )


def rewriting(number: int) -> Dialogue:
    return Dialogue(
        id=f"mi-{CORPUS}-{number}",
        source=CORPUS,
        messages=said(
            (f"我第{number}次失眠了。", "client"),
            ("又是一夜没睡，您很疲惫。", "counselor"),
            ("我试过早睡，睡不着。", "client"),
            ("您试过办法，还在找别的路。<您>想从哪里开始？", "counselor"),
        ),
        meta={
            "source_id": f"{CORPUS}-{number}",
            "provenance": {"prompt_version": "v1" if number % 2 else "v2", "cost_usd": None},
        },
    )


def said(*turns: tuple[str, str]) -> list[Any]:
    return [{"role": role, "content": text} for text, role in turns]
