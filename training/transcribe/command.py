"""``python -m training.transcribe``: arguments, exit codes, and what is said at the end."""

from __future__ import annotations

import argparse
from pathlib import Path

from mi_arena.llm.endpoint import KEY_VARIABLE
from mi_arena.llm.task_command import Job, add_task, carry_out, endpoint_of, task_of
from training.transcribe.prompt import load_prompt
from training.transcribe.rewrite import How
from training.transcribe.run import LENGTHS, made_by, questions_of, work_of

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
    add(
        "--keep-client",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="sources whose client turns are kept word for word, or 'all'; otherwise they follow",
    )
    add("--with-crisis", action="store_true", help="take in dialogues flagged as crises too")
    add_task(parser, temperature=TEMPERATURE, max_tokens=MAX_TOKENS, asked="dialogue")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code. No text of a dialogue and no key is ever printed."""
    options = parse(argv)
    return carry_out(NAME, lambda: _job(options), dry_run=options.dry_run, as_json=options.json)


def _job(options: argparse.Namespace) -> Job:
    endpoint = endpoint_of(options)
    how = How(
        prompt=load_prompt(),
        endpoint=endpoint,
        attempts=options.attempts,
        keep_client=None if "all" in options.keep_client else frozenset(options.keep_client),
        with_crisis=options.with_crisis,
    )
    task = task_of(NAME, options, endpoint, made_by(how), settings={"with_crisis": how.with_crisis})
    return Job(task, work_of(how), questions_of(how), LENGTHS, "rewritten")
