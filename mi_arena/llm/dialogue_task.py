"""A file of dialogues of which a model is asked, one output line each: the work of one command.

Knows files, settings and whether work that was begun may go on; what is asked, its caller knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from mi_arena.dialogue import Dialogue, read_dialogues
from mi_arena.jobs.dialogue_files import file_sha256, told_in_one_line
from mi_arena.jobs.script import BadInput
from mi_arena.llm.endpoint import Endpoint
from mi_arena.llm.prices import Price


@dataclass(frozen=True)
class Task:
    """One command's worth of work."""

    script: str
    """Its name, as in ``python -m NAME``."""
    source: Path
    out: Path
    run: Path
    endpoint: Endpoint
    price: Price
    attempts: int
    """For each thing that is asked."""
    limit: int | None
    concurrency: int
    max_cost: float | None
    answers: Path
    """The file of answers, which other runs may share."""
    made_by: Mapping[str, Any]
    """What must not change, beside model and parameters, between runs that go on in one place."""
    settings: Mapping[str, Any]
    """What else is needed to repeat it."""
    replace: bool = False
    """What stands at ``out`` may be cut or replaced: another input, or fewer dialogues."""

    @property
    def dead(self) -> Path:
        return self.out.with_name(self.out.stem + ".dead.jsonl")

    def dialogues(self) -> Iterator[Dialogue]:
        return islice(read_dialogues(self.source), self.limit)

    def config(self, input_sha256: str) -> dict[str, Any]:
        """All that is needed to repeat it, without the key."""
        endpoint = self.endpoint
        return {
            "script": self.script,
            "input": str(self.source),
            "input_sha256": input_sha256,
            "out": str(self.out),
            "answers": str(self.answers.resolve()),
            "base_url": endpoint.base_url,
            "model": endpoint.model,
            "parameters": endpoint.parameters.asked(),
            **self.made_by,
            **self.settings,
            "attempts": self.attempts,
            "limit": self.limit,
            "concurrency": self.concurrency,
            "timeout": endpoint.timeout,
            "max_cost": self.max_cost,
            "price_in": self.price.input,
            "price_out": self.price.output,
            "price_note": self.price.note,
        }


def count(task: Task) -> tuple[int, str]:
    """How many dialogues the task has, and the SHA-256 of its input file.

    Reads all of it once, so that a bad line is told before anything is paid for.
    """
    ids: set[str] = set()
    with told_in_one_line(task.source):
        sha256 = file_sha256(task.source)
        for dialogue in task.dialogues():
            if dialogue.id in ids:
                raise BadInput(
                    f"{task.source}: the id {dialogue.id!a} occurs twice: ids must be unique"
                )
            ids.add(dialogue.id)
    if not ids:
        raise BadInput(f"{task.source}: there is no dialogue in it")
    return len(ids), sha256


def check_same_run(task: Task, config: dict[str, Any], total: int) -> None:
    """What stands at ``out`` must have been made in this run directory, by the same means, and
    from no other and no longer input, unless it is to be replaced."""
    path = task.run / "config.yaml"
    if not path.exists():
        for file in (task.out, task.dead):
            if file.exists() and file.stat().st_size:
                raise BadInput(
                    f"{file}: exists, and not from this run directory ({task.run}): name another "
                    "--out, or the --run it was made in, or move it away"
                )
        return
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        elsewhere = before["script"] != config["script"] or before["out"] != config["out"]
        made_by = () if elsewhere else ("model", "parameters", *task.made_by)
        wrong = [name for name in made_by if before[name] != config[name]]
        other = before["input_sha256"] != config["input_sha256"]
        limit_before = before["limit"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        raise BadInput(f"{path}: cannot be read: name another --run") from None
    if elsewhere:
        raise BadInput(f"{task.run}: belongs to another output or script: name another --run")
    if wrong:
        raise BadInput(
            f"{task.out}: was begun with another {wrong[0]}: go on with the same, or name another "
            "--out"
        )
    if task.replace:
        return
    if other:
        raise BadInput(
            f"{task.out}: was made from another input ({before['input']}, SHA-256 "
            f"{str(before['input_sha256'])[:12]}) than {task.source} is now (SHA-256 "
            f"{config['input_sha256'][:12]}): name another --out, or give --replace to have it "
            "written anew"
        )
    limit = task.limit if task.limit is not None and total >= task.limit else None
    if limit is not None and (limit_before is None or limit < limit_before):
        asked = "no --limit" if limit_before is None else f"--limit {limit_before}"
        raise BadInput(
            f"{task.out}: was made with {asked}, and --limit {limit} would shorten it: name "
            "another --out, or give --replace to have it shortened (kept answers stay)"
        )
