"""``python -m eval.judge code``: its arguments, and the task that they make."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from eval.judge.coder import How, code, first_questions
from eval.judge.prompt import TOKENS_AT_ONCE, VOLLEYS_AT_ONCE, load_prompt
from mi_arena.dialogue import Dialogue
from mi_arena.llm.dead_letters import Ask, DeadLetter
from mi_arena.llm.endpoint import KEY_VARIABLE
from mi_arena.llm.estimate import Look
from mi_arena.llm.question import Question
from mi_arena.llm.task_command import Job, add_task, carry_out, endpoint_of, task_of
from mi_arena.llm.work_through import Result
from mi_arena.miti.items import Lang

NAME = "eval.judge code"
TEMPERATURE = 0.0
MAX_TOKENS = 4096
LANGS: tuple[Lang, ...] = get_args(Lang)
LENGTHS = "an answer with codes is taken to be twice as long as its volleys, and some"

DESCRIPTION = f"""\
Have a model behind an OpenAI-compatible endpoint code dialogues with MITI 4.2.1: change goal and
the four globals with reasons, then every counsellor volley cut into utterances, each with a code or
none and the words that decided it. The key comes from {KEY_VARIABLE} alone.

Every question shows the whole dialogue, and nothing of where it comes from. Goal and globals are
asked for first; codes after them, in batches of at most {VOLLEYS_AT_ONCE} volleys and about
{TOKENS_AT_ONCE} tokens, so that long dialogues are coded like short ones. A dialogue that exceeds
the model's context is refused by the endpoint and becomes a dead letter.

An answer that changes the counsellor's words, names evidence that is not there or breaks a rule of
`python -m mi_arena.miti` goes back with what is wrong; after the last attempt the dialogue goes to
OUT.dead.jsonl with why. OUT.jsonl holds a coding a line, as `python -m mi_arena.miti summarize`
reads it.

Answers are kept in the run directory and never asked for again: the same command, after any stop or
kill, goes on where it was. Codings by a model are no codings by people: see `eval.judge validate`.

Exit codes: 0 done, 2 bad input, 3 stopped by --max-cost or by a signal (the last line says which).
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments to its parser."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("source", type=Path, metavar="IN.jsonl", help="dialogues to code (.gz allowed)")
    add("--out", type=Path, required=True, metavar="OUT.jsonl", help="where the codings go")
    add("--model", required=True, metavar="NAME", help="the judge, as the endpoint spells it")
    add(
        "--lang",
        choices=("auto", *LANGS),
        default="auto",
        help="of the prompt (default auto: each dialogue's own)",
    )
    add_task(parser, temperature=TEMPERATURE, max_tokens=MAX_TOKENS, asked="question")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. No text of a dialogue and no key is ever printed."""
    return carry_out(NAME, lambda: job_of(options), dry_run=options.dry_run, as_json=options.json)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options that these words of a command line make."""
    parser = argparse.ArgumentParser(prog=f"python -m {NAME}")
    configure(parser)
    return parser.parse_args(words)


def job_of(options: argparse.Namespace) -> Job:
    """The job that the options describe. Raises ``BadInput``."""
    endpoint = endpoint_of(options)
    lang = None if options.lang == "auto" else options.lang
    how = How(endpoint, options.attempts, lang)
    prompts = {one: load_prompt(one) for one in ([lang] if lang else LANGS)}
    made_by = {
        "lang": options.lang,
        "prompt_version": {one: prompt.version for one, prompt in prompts.items()},
        "prompt_sha256": {one: prompt.sha256 for one, prompt in prompts.items()},
    }

    async def work(dialogue: Dialogue, ask: Ask) -> Result:
        return await code(dialogue, ask, how)

    def questions(dialogue: Dialogue, look: Look) -> DeadLetter | Iterable[Question]:
        return first_questions(dialogue, how, look)

    task = task_of(NAME, options, endpoint, made_by, settings={})
    return Job(task, work, questions, LENGTHS, "coded")
