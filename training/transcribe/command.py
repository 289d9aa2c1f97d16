"""``python -m training.transcribe``: arguments, exit codes, and what is said at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mi_arena.jobs.run_directory import RunDirectory, alone_in
from mi_arena.jobs.script import (
    DONE,
    STOPPED,
    WRONG_INPUT,
    BadInput,
    LimitReached,
    fault_line,
    tell_fault,
)
from mi_arena.llm.answers import NAME as ANSWERS
from mi_arena.llm.answers import Answers, check_same_answers
from mi_arena.llm.asking_options import add_asking, amount, whole
from mi_arena.llm.endpoint import KEY_VARIABLE, Parameters, endpoint_from
from mi_arena.llm.prices import price_of
from training.transcribe.prompt import load_prompt
from training.transcribe.rewrite import How
from training.transcribe.run import Tally, Task, check_same_run, count, estimate, transcribe

NAME = "training.transcribe"
MODEL = "gpt-4.1"
TEMPERATURE = 0.7
MAX_TOKENS = 4096

DESCRIPTION = f"""\
Rewrite counselling dialogues into motivational-interviewing dialogues with a model behind an
OpenAI-compatible endpoint. Every result is checked; a failure goes back with its reason, and after
the last attempt to OUT.dead.jsonl. The key comes from {KEY_VARIABLE} alone.

Answers are kept in the run directory and never asked for again: the same command, after any stop or
kill, goes on where it was. Prompt, model, parameters and checks are our choice, not the paper's.

Exit codes: 0 done, 2 bad input, 3 stopped by --max-cost or by a signal (the last line says which).
"""


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", type=Path, metavar="IN.jsonl", help="dialogues to rewrite (.gz allowed)")
    add("--out", type=Path, required=True, metavar="OUT.jsonl", help="where the rewritten ones go")
    add("--model", default=MODEL, help=f"model to ask (default {MODEL}: GPT-4 class, our choice)")
    add_asking(parser, "the run directory")
    add("--limit", type=whole, metavar="N", help="the first N dialogues alone")
    add("--attempts", type=whole, default=3, metavar="N", help="for each dialogue (default 3)")
    add(
        "--keep-client",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="sources whose client turns are kept word for word, or 'all'; otherwise they follow",
    )
    add("--with-crisis", action="store_true", help="take in dialogues flagged as crises too")
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
        default=TEMPERATURE,
        help=f"of decoding (default {TEMPERATURE}: our choice)",
    )
    add(
        "--max-tokens",
        type=whole,
        default=MAX_TOKENS,
        metavar="N",
        help=f"longest answer (default {MAX_TOKENS})",
    )
    add("--dry-run", action="store_true", help="estimate tokens and cost, and ask nothing")
    add("--json", action="store_true", help="the summary as one JSON object on standard output")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code. No text of a dialogue and no key is ever printed."""
    options = parse(argv)
    try:
        task = _task(options)
        total, sha256 = count(task)
        if options.dry_run:
            _say(estimate(task, total), options.json, _estimate_lines)
            return DONE
        return _run(task, total, sha256, options.json)
    except (BadInput, OSError) as error:
        return _told(error, WRONG_INPUT)
    except KeyboardInterrupt:
        print(f"{NAME}: stopped by a signal at once", file=sys.stderr)
        return STOPPED


def _run(task: Task, total: int, sha256: str, as_json: bool) -> int:
    config = task.config(sha256)
    check_same_run(task, config, total)
    check_same_answers(task.run, task.answers)
    if task.out.parent.is_file():
        raise BadInput(f"{task.out.parent}: is a file: name another --out")
    task.out.parent.mkdir(parents=True, exist_ok=True)
    tally = Tally(total)
    # The lock comes first: another process's status is not ours to overwrite.
    with alone_in(task.run, "--run"), Answers(task.answers, task.run) as answers:
        run = RunDirectory(task.run)
        run.start(config, total)
        run.log(f"start {total} dialogues, {answers.count()} answers kept")
        try:
            with tqdm(total=total, unit="dialogue", disable=None) as bar:

                def show(step: int) -> None:
                    bar.update(step - bar.n)

                asyncio.run(transcribe(task, tally, run, answers, show))
        except (BadInput, OSError) as error:
            run.end("failed", str(error))
            return _told(error, WRONG_INPUT)
        except LimitReached as limit:
            run.log(str(limit))
            run.end("stopped", str(limit))
            _say(tally.record(), as_json, _summary_lines)
            print(f"{NAME}: {limit}; the same command goes on from here", file=sys.stderr)
            return STOPPED
        except KeyboardInterrupt:
            run.end("stopped", "stopped by a second signal")
            raise
        except Exception as fault:
            run.end("failed", fault_line(fault))
            return tell_fault(NAME, fault)
        run.log(f"done {tally.done}, dead {tally.dead.total()}")
        run.end("done")
    _say(tally.record(), as_json, _summary_lines)
    return DONE


def _task(options: argparse.Namespace) -> Task:
    if options.out.suffix == ".gz":
        raise BadInput(f"--out: {options.out} would be plain text: name a file without .gz")
    parameters = Parameters(temperature=options.temperature, max_tokens=options.max_tokens)
    endpoint = endpoint_from(
        options.model,
        options.base_url,
        parameters,
        options.timeout,
        # Nothing is asked in a dry run, so no key is needed.
        environment={KEY_VARIABLE: "none"} if options.dry_run else None,
    )
    price = price_of(endpoint, options.price_in, options.price_out)
    if options.max_cost is not None and not price.known:
        raise BadInput(f"--max-cost: {price.note}")
    run = options.run or options.out.with_name(options.out.name + ".run")
    how = How(
        prompt=load_prompt(),
        endpoint=endpoint,
        attempts=options.attempts,
        keep_client=None if "all" in options.keep_client else frozenset(options.keep_client),
        with_crisis=options.with_crisis,
    )
    task = Task(
        source=options.source,
        out=options.out,
        run=run,
        how=how,
        price=price,
        limit=options.limit,
        concurrency=options.concurrency,
        max_cost=options.max_cost,
        answers=options.answers or run / ANSWERS,
        replace=options.replace,
    )
    if options.source.resolve() in (task.out.resolve(), task.dead.resolve()):
        raise BadInput("--out: is the input itself: name another file")
    return task


def _summary_lines(said: dict[str, Any]) -> list[str]:
    dead = ", ".join(f"{count} {kind}" for kind, count in said["dead"].items()) or "none"
    return [
        f"{said['done']} of {said['total']} dialogues rewritten, dead letters: {dead}, "
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


def _say(said: dict[str, Any], as_json: bool, lines: Any) -> None:
    print(json.dumps(said, ensure_ascii=False) if as_json else "\n".join(lines(said)))


def _told(error: Exception, code: int) -> int:
    print(f"{NAME}: {error}", file=sys.stderr)
    return code
