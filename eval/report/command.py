"""``python -m eval.report``: arguments, exit codes, and what is said at the end."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.report.stages import JUDGED, NAME, PREDICTIONS, Plan, make_report, read_given, steps
from eval.respond.registry_option import add_models
from mi_arena.jobs.ending import exit_code, noted
from mi_arena.jobs.own_folder import check_folder
from mi_arena.jobs.run_directory import RunDirectory, alone_in
from mi_arena.jobs.script import BadInput, stop_on_terminate
from mi_arena.llm.asking_options import add_asking, whole
from mi_arena.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from eval.respond.run import Task as Answering
    from mi_arena.llm.task_command import Job

MOST_EXAMPLES = 5
_TO_THE_JUDGE = (
    *("base_url", "concurrency", "max_cost", "answers"),
    *("price_in", "price_out", "timeout"),
)
"""Options that are handed on to ``eval.judge code``."""
_TO_RESPOND = (
    *("systems", "models", "limit", "max_new_tokens", "seed", "batch"),
    *_TO_THE_JUDGE,
)
"""Options that are handed on to ``eval.respond``."""

DESCRIPTION = f"""\
One report of an evaluation: settings, text metrics, length control, MITI codings, preferences,
agreement, simulated clients and costs, as far as they are given; numbers, Markdown, one HTML file
that opens alone, CSV tables and plots.

With --pair, replies to --data are made first (as by eval.respond) into DIR/{PREDICTIONS}, and
kept as they come: after any stop or kill the same command goes on where it was. With --predictions
they are taken as given. With --judge a model codes every reply with MITI (as by eval.judge code),
its answers kept alike, in DIR/{JUDGED}: what such codes are worth, eval.judge validate tells.

The report holds no text of a dialogue, unless --examples asks for some; DIR/rounds.jsonl, for
comparing single rounds, holds every reply.

Exit codes: 0 done, 2 bad input, 3 stopped by --max-cost or by a signal (the last line says which).
"""


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="run directory of the report")
    add("--title", help="of the report")
    add("--lang", choices=("zh", "en"), default="zh", help="of the report (default zh)")
    add("--json", action="store_true", help="print report.json on standard output")
    add(
        "--pair", nargs="+", action="extend", default=[], metavar="ID",
        help="of the registry: have it reply first",
    )  # fmt: skip
    add("--data", type=Path, metavar="TEST.jsonl", help="dialogues to reply to (.gz allowed)")
    add("--systems", default="base,base_prompted,tuned", help="default %(default)s")
    add_models(parser)
    add("--limit", type=whole, metavar="N", help="the first N dialogues alone")
    add("--max-new-tokens", type=whole, metavar="N", help="of a reply (default: the pair's)")
    add("--sample", action="store_true", help="sample as the pair does, instead of greedily")
    add("--batch", type=whole, metavar="N", help="replies made at once, as memory allows")
    add(
        "--predictions", nargs="+", action="extend", default=[], type=Path, metavar="FILE",
        help="replies as given",
    )  # fmt: skip
    add("--judge", metavar="MODEL", help="have a model code all replies to --data")
    add(
        "--codings", nargs="+", action="extend", default=[], type=Path, metavar="FILE",
        help="a judge's codings",
    )  # fmt: skip
    add("--validation", type=Path, metavar="FILE", help="validation.json of the judge")
    add("--transcripts-summary", type=Path, metavar="FILE", help="summary.json of simulated talks")
    add("--study", type=Path, metavar="DATA_DIR", help="the app's data folder, only read")
    add(
        "--examples",
        type=whole,
        metavar="N",
        help=f"show N rounds side by side, at most {MOST_EXAMPLES}",
    )
    add("--bootstrap", type=whole, default=2000, metavar="N", help="draws (2000)")
    add("--seed", type=int, default=0, metavar="S", help="of bootstrap, examples, sampling (0)")
    add_asking(parser, "each run directory of replies")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code. No text of a dialogue is ever printed, but by --json --examples."""
    options = parse(argv)
    stop_on_terminate()
    return exit_code(NAME, lambda: _run(_plan(options), options.json))


def _run(plan: Plan, as_json: bool) -> None:
    given = read_given(plan)
    check_folder(plan.out, NAME)
    with alone_in(plan.out, "--out"):
        run = RunDirectory(plan.out)
        run.start(plan.config(), steps(plan, given))
        with noted(run):
            found = make_report(plan, given, run)
            run.log("done")
    print(_json(found) if as_json else "\n".join(_lines(plan.out, found)))


def _plan(options: argparse.Namespace) -> Plan:
    if options.judge and not (options.pair or options.predictions):
        raise BadInput("--judge: there are no replies to code: give --pair or --predictions")
    if options.judge and options.data is None:
        raise BadInput("--judge: name the test set that the replies answer with --data")
    given = (options.pair, options.predictions, options.codings)
    if not any((*given, options.transcripts_summary, options.study)):
        raise BadInput(
            "nothing to report on: give --pair with --data, --predictions, --codings, "
            "--transcripts-summary or --study"
        )
    if options.pair and options.data is None:
        raise BadInput("--pair: name the dialogues that it shall reply to with --data")
    if options.validation and not (options.codings or options.judge):
        raise BadInput("--validation: tells of a judge whose --codings are missing")
    if len(set(options.pair)) < len(options.pair):
        raise BadInput("--pair: a pair stands twice")
    if options.examples and options.examples > MOST_EXAMPLES:
        raise BadInput(f"--examples: at most {MOST_EXAMPLES} rounds are shown")
    if options.out.is_file():
        raise BadInput(f"--out: {options.out} is a file: name a folder")
    return Plan(
        out=options.out,
        answering=[_answering(name, options) for name in options.pair],
        predictions=options.predictions,
        data=options.data,
        limit=options.limit,
        judging=_judging(options) if options.judge else None,
        codings=options.codings,
        validation=options.validation,
        simulated=options.transcripts_summary,
        study=options.study,
        minimum=_minimum(),
        draws=options.bootstrap,
        seed=options.seed,
        examples=options.examples,
        lang=options.lang,
        title=options.title,
    )


def _minimum() -> int:
    try:
        return load_settings().minimum_n
    except SettingsError as error:
        raise BadInput(str(error)) from None


def _answering(pair: str, options: argparse.Namespace) -> Answering:
    """As ``eval.respond`` would be asked to. Raises ``BadInput``."""
    from eval.respond.command import parse as parse_respond
    from eval.respond.command import task_of

    out = options.out / PREDICTIONS / f"{pair}.jsonl"
    words = ["--pair", pair, "--data", str(options.data), "--out", str(out)]
    words += ["--sample"] * options.sample
    return task_of(parse_respond([*words, *_handed_on(options, _TO_RESPOND)]))


def _judging(options: argparse.Namespace) -> Job:
    """As ``eval.judge code`` would be asked to. Raises ``BadInput``."""
    from eval.judge.code_command import job_of
    from eval.judge.code_command import parse as parse_judge

    folder = options.out / JUDGED
    words = [str(folder / "dialogues.jsonl"), f"--out={folder / 'codes.jsonl'}"]
    # The dialogues are this report's own; answers are kept whatever becomes of them.
    words += [f"--model={options.judge}", "--replace"]
    return job_of(parse_judge([*words, *_handed_on(options, _TO_THE_JUDGE)]))


def _handed_on(options: argparse.Namespace, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        value = getattr(options, name)
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield f"--{name.replace('_', '-')}={one}"


def _json(found: dict[str, Any]) -> str:
    from eval.report.files import report_json

    return report_json(found)


def _lines(folder: Path, found: dict[str, Any]) -> list[str]:
    """Where the report is, and which parts nothing was given for."""
    without = [key for key, part in found.items() if isinstance(part, dict) and "reason" in part]
    lines = [str(folder / name) for name in ("report.html", "report.md", "report.json")]
    return [*lines, f"without: {', '.join(without)}"] if without else lines
