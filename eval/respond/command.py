"""``python -m eval.respond``: arguments, exit codes, and what is said at the end."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eval.respond.chosen import chosen_pair, ways_to
from eval.respond.registry_option import add_models
from eval.respond.remote import Asking
from eval.respond.rounds import read_test_set
from eval.respond.run import NAME, Task, check_same_run, respond
from eval.respond.systems import FILE, OF_A_PAIR, Prompts, load_mi_prompt, parse_systems
from mi_arena.decoding import Decoding
from mi_arena.jobs.ending import exit_code, noted
from mi_arena.jobs.run_directory import RunDirectory, alone_in
from mi_arena.jobs.same_means import check_out
from mi_arena.jobs.script import BadInput, stop_on_terminate
from mi_arena.llm.answers import NAME as ANSWERS
from mi_arena.llm.answers import check_same_answers
from mi_arena.llm.asking_options import add_asking, whole
from mi_arena.llm.endpoint import KEY_VARIABLE
from mi_arena.pairs import Pair

BATCH = 128

DESCRIPTION = f"""\
Have systems answer every client turn of a test set, each after the gold history, and write their
replies beside the gold ones, one JSON object a line. Systems:

  base           the pair's base model, with the pair's system prompt if it has one
  base_prompted  the base with an MI prompt of ours instead ({FILE}), in the dialogue's language
  tuned          base and adapter
  remote:NAME    a model behind an OpenAI-compatible server; the key comes from {KEY_VARIABLE} alone

Greedy, with the pair's repetition penalty; --sample decodes as the pair does in a battle, each
reply from a seed of its own. Where the context is too short, early rounds are left out and counted.

The same command, after any stop or kill, goes on where it was; --out is written when all is there.

Exit codes: 0 done, 2 bad input, 3 stopped by --max-cost or by a signal (the last line says which).
"""


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--pair", required=True, metavar="ID", help="of models.yaml")
    add(
        "--systems",
        default=",".join(OF_A_PAIR),
        metavar="NAMES",
        help="separated by commas (default %(default)s)",
    )
    add("--data", type=Path, required=True, metavar="TEST.jsonl", help="dialogues (.gz allowed)")
    add("--out", type=Path, required=True, metavar="PRED.jsonl", help="where predictions go")
    add_models(parser)
    add("--limit", type=whole, metavar="N", help="the first N dialogues alone")
    add("--max-new-tokens", type=whole, metavar="N", help="of a reply (default: the pair's)")
    add("--sample", action="store_true", help="sample as the pair does, instead of greedily")
    add("--seed", type=int, default=0, metavar="S", help="of sampling (default 0)")
    add(
        "--batch",
        type=whole,
        default=BATCH,
        metavar="N",
        help=f"replies made at once, as memory allows (default {BATCH})",
    )
    add("--run", type=Path, metavar="DIR", help="run directory (default PRED.jsonl.run)")
    add("--json", action="store_true", help="the summary as one JSON object on standard output")
    add_asking(parser, "the run directory")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code. No text of a dialogue and no key is ever printed."""
    options = parse(argv)
    stop_on_terminate()

    def work() -> None:
        summary = carry_out(task_of(options))
        as_json = options.json
        print(json.dumps(summary, ensure_ascii=False) if as_json else "\n".join(_lines(summary)))

    return exit_code(NAME, work)


def carry_out(task: Task, told: Callable[[int], None] = lambda step: None) -> dict[str, Any]:
    """Answer the test set in the task's run directory, or go on there; returns the summary.

    ``told`` hears how many replies there are.

    Raises what ends it early, once the run directory says so: ``BadInput``, ``OSError``,
    ``LimitReached``, ``KeyboardInterrupt``, or a fault of ours.
    """
    tests = read_test_set(task.data, task.limit)
    config = task.config(tests)
    check_same_run(task, config)
    if task.ways:
        check_same_answers(task.run, task.asking.answers)
    task.out.parent.mkdir(parents=True, exist_ok=True)
    # The lock comes first: another process's status is not ours to overwrite.
    with alone_in(task.run, "--run"):
        directory = RunDirectory(task.run, told)
        directory.start(config, len(tests.rounds) * len(task.systems))
        with noted(directory):
            summary = respond(task, tests, directory)
            directory.log(f"done, {task.out}")
    return summary


def task_of(options: argparse.Namespace) -> Task:
    """What the arguments ask for. Raises ``BadInput``."""
    check_out(options.out, options.data, "the input")
    systems = parse_systems(options.systems)
    pair = chosen_pair(options.models, options.pair, systems)
    decoding = _decoding(pair, options)
    run = options.run or options.out.with_name(options.out.name + ".run")
    return Task(
        pair=pair,
        systems=systems,
        data=options.data,
        out=options.out,
        run=run,
        decoding=decoding,
        seed=options.seed if decoding.temperature > 0 else None,
        batch=options.batch,
        limit=options.limit,
        prompts=Prompts(pair.system_prompt, load_mi_prompt()),
        ways=ways_to(systems, pair, decoding, options),
        asking=Asking(
            answers=options.answers or run / ANSWERS,
            run=run,
            at_once=options.concurrency,
            max_cost=options.max_cost,
        ),
    )


def _decoding(pair: Pair, options: argparse.Namespace) -> Decoding:
    """The pair's, greedy unless sampling is asked for. Raises ``BadInput``."""
    changes: dict[str, Any] = {} if options.sample else {"temperature": 0.0}
    if options.max_new_tokens is not None:
        changes["max_new_tokens"] = options.max_new_tokens
    try:
        decoding = Decoding.model_validate(pair.decoding.model_dump() | changes)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise BadInput(f"--max-new-tokens: {first['msg']}") from None
    if decoding.max_new_tokens >= pair.context:
        raise BadInput(
            f"--max-new-tokens: pair {pair.id} has a context of {pair.context} tokens, prompt and "
            "reply together: name fewer"
        )
    return decoding


def _lines(summary: dict[str, Any]) -> list[str]:
    lines = [
        f"{summary['n_rounds']} rounds of {summary['n_dialogues']} dialogues, pair "
        f"{summary['pair']}: {summary['out']}"
    ]
    if without := summary["n_dialogues_without_rounds"]:
        lines.append(f"dialogues without a counsellor turn that answers a client: {without}")
    for name, one in summary["systems"].items():
        tokens = "tokens unknown" if one["tokens"] is None else f"{one['tokens']} tokens"
        lines.append(
            f"{name}: {one['replies']} replies, {tokens}; empty {one['empty']}, cut at "
            f"{summary['max_new_tokens']} tokens {one['cut']}, histories that lost early rounds "
            f"{one['histories_shortened']} ({one['messages_left_out']} messages)"
        )
    return lines
