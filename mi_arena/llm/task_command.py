"""The command line of a task: its arguments, how it ends, and what is said at the end.

No text of a dialogue and no key is ever printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mi_arena.jobs.ending import exit_code, noted
from mi_arena.jobs.run_directory import RunDirectory, alone_in
from mi_arena.jobs.script import BadInput, LimitReached
from mi_arena.llm.answers import NAME as ANSWERS
from mi_arena.llm.answers import Answers, check_same_answers
from mi_arena.llm.asking_options import add_asking, amount, whole
from mi_arena.llm.dialogue_task import Task, check_same_run, count
from mi_arena.llm.endpoint import KEY_VARIABLE, Endpoint, Parameters, endpoint_from
from mi_arena.llm.estimate import Questions, estimate
from mi_arena.llm.prices import price_of
from mi_arena.llm.work_through import Tally, Work, work_through

ATTEMPTS = 3


def add_task(
    parser: argparse.ArgumentParser, *, temperature: float, max_tokens: int, asked: str
) -> None:
    """Everything but the input, the output and the model. ``asked``: what attempts are for."""
    add = parser.add_argument
    add_asking(parser, "the run directory")
    add("--limit", type=whole, metavar="N", help="the first N dialogues alone")
    add(
        "--attempts",
        type=whole,
        default=ATTEMPTS,
        metavar="N",
        help=f"for each {asked} (default {ATTEMPTS})",
    )
    add(
        "--replace",
        action="store_true",
        help="OUT may be written anew from another input, or shortened by a smaller --limit; kept "
        "answers stay",
    )
    add("--run", type=Path, metavar="DIR", help="run directory (default OUT.jsonl.run)")
    add(
        "--temperature",
        type=amount,
        default=temperature,
        help=f"of decoding (default {temperature:g}: our choice)",
    )
    add(
        "--max-tokens",
        type=whole,
        default=max_tokens,
        metavar="N",
        help=f"longest answer (default {max_tokens})",
    )
    add("--dry-run", action="store_true", help="estimate tokens and cost, and ask nothing")
    add("--json", action="store_true", help="the summary as one JSON object on standard output")


def endpoint_of(options: argparse.Namespace) -> Endpoint:
    """Where the options say to ask. Raises ``BadInput``."""
    return endpoint_from(
        options.model,
        options.base_url,
        Parameters(temperature=options.temperature, max_tokens=options.max_tokens),
        options.timeout,
        # Nothing is asked in a dry run, so no key is needed.
        environment={KEY_VARIABLE: "none"} if options.dry_run else None,
    )


def task_of(
    script: str,
    options: argparse.Namespace,
    endpoint: Endpoint,
    made_by: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Task:
    """The task that the options describe. Raises ``BadInput``."""
    if options.out.suffix == ".gz":
        raise BadInput(f"--out: {options.out} would be plain text: name a file without .gz")
    price = price_of(endpoint, options.price_in, options.price_out)
    if options.max_cost is not None and not price.known:
        raise BadInput(f"--max-cost: {price.note}")
    run = options.run or options.out.with_name(options.out.name + ".run")
    task = Task(
        script=script,
        source=options.source,
        out=options.out,
        run=run,
        endpoint=endpoint,
        price=price,
        attempts=options.attempts,
        limit=options.limit,
        concurrency=options.concurrency,
        max_cost=options.max_cost,
        answers=options.answers or run / ANSWERS,
        made_by=made_by,
        settings=settings,
        replace=options.replace,
    )
    if options.source.resolve() in (task.out.resolve(), task.dead.resolve()):
        raise BadInput("--out: is the input itself: name another file")
    return task


@dataclass(frozen=True)
class Job:
    """A task, and what its script does with it."""

    task: Task
    work: Work
    questions: Questions
    lengths: str
    """In words, how long an answer is taken to be."""
    done: str
    """What has been done to a dialogue in the end: ``rewritten``."""


def carry_out(script: str, make: Callable[[], Job], *, dry_run: bool, as_json: bool) -> int:
    """Do the job that ``make`` gives, or estimate it; returns the exit code."""

    def work() -> None:
        job = make()
        total, sha256 = count(job.task)
        if dry_run:
            said = estimate(job.task, total, job.questions, job.lengths)
            _say(said, as_json, _estimate_lines)
            return
        tally = Tally(total)

        def say() -> None:
            _say(tally.record(), as_json, lambda said: _summary_lines(said, job.done))

        try:
            do(job, sha256, tally)
        except LimitReached:
            say()
            raise
        say()

    return exit_code(script, work)


def do(
    job: Job, sha256: str, tally: Tally, told: Callable[[int], None] = lambda step: None
) -> None:
    """Do the job in its run directory, or go on there; ``tally`` and ``told`` hear how far it is.

    ``sha256`` is its input's. Raises what ends it early, once the run directory says so:
    ``BadInput``, ``OSError``, ``LimitReached``, ``KeyboardInterrupt``, or a fault of ours.
    """
    task, total = job.task, tally.total
    config = task.config(sha256)
    check_same_run(task, config, total)
    check_same_answers(task.run, task.answers)
    if task.out.parent.is_file():
        raise BadInput(f"{task.out.parent}: is a file: name another --out")
    task.out.parent.mkdir(parents=True, exist_ok=True)
    # The lock comes first: another process's status is not ours to overwrite.
    with alone_in(task.run, "--run"), Answers(task.answers, task.run) as answers:
        run = RunDirectory(task.run)
        run.start(config, total)
        run.log(f"start {total} dialogues, {answers.count()} answers kept")
        with noted(run), tqdm(total=total, unit="dialogue", disable=None) as bar:

            def show(step: int) -> None:
                bar.update(step - bar.n)
                told(step)

            asyncio.run(work_through(task, job.work, tally, run, answers, show))
            run.log(f"done {tally.done}, dead {tally.dead.total()}")


def _summary_lines(said: dict[str, Any], done: str) -> list[str]:
    dead = ", ".join(f"{count} {kind}" for kind, count in said["dead"].items()) or "none"
    return [
        f"{said['done']} of {said['total']} dialogues {done}, dead letters: {dead}, "
        f"{said['left']} left",
        f"{said['asked']} requests answered now, {said['reused']} from what was kept; in all "
        f"{said['prompt_tokens']} + {said['completion_tokens']} tokens, {_usd(said['cost_usd'])} "
        f"({said['cost_note']})",
    ]


def _estimate_lines(said: dict[str, Any]) -> list[str]:
    out = ", ".join(f"{count} {kind}" for kind, count in said["left_out"].items()) or "none"
    return [
        f"{said['dialogues']} dialogues; left out: {out}; answered before: "
        f"{said['answered_before']}; to ask: {said['requests']}",
        f"about {said['prompt_tokens']} + {said['completion_tokens']} tokens, "
        f"{_usd(said['cost_usd'])}, at most {_usd(said['cost_usd_at_most'])} "
        f"({said['cost_note']}); spent before: {_usd(said['spent_usd'])}",
        said["how"],
    ]


def _usd(cost: float | None) -> str:
    return "cost unknown" if cost is None else f"{cost:.4f} USD"


def _say(said: dict[str, Any], as_json: bool, lines: Callable[[dict[str, Any]], list[str]]) -> None:
    print(json.dumps(said, ensure_ascii=False) if as_json else "\n".join(lines(said)))
