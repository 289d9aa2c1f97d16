"""``python -m training.rate``: arguments, files, exit codes, and what is said at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mi_arena.jobs.dialogue_files import file_sha256
from mi_arena.jobs.run_directory import RunDirectory, alone_in, write_atomically
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
from mi_arena.llm.ask import Wire
from mi_arena.llm.asker import Asker
from mi_arena.llm.asking_options import add_asking, amount, whole
from mi_arena.llm.budget import Budget
from mi_arena.llm.endpoint import KEY_VARIABLE, Endpoint, Parameters, endpoint_from
from mi_arena.llm.pace import Pace
from mi_arena.llm.prices import Price, price_of
from mi_arena.llm.question import key_of
from mi_arena.llm.stop import Stop
from mi_arena.llm.tokens import HOW, tokens_of_messages
from training.rate import people
from training.rate.choice import Given
from training.rate.judge import (
    EXPECTED_TOKENS,
    TRIES,
    Judgement,
    Judgements,
    guide,
    judge_all,
    question,
)
from training.rate.plot import ratings_png
from training.rate.report import Findings, choice_record, findings, markdown, ratings_csv, record
from training.rate.sampling import (
    Sample,
    Sampled,
    draw_sample,
    kept_sample,
    write_sample,
)
from training.rate.sheets import INTRODUCTION, blank_sheet, too_long

NAME = "training.rate"
MODEL = "gpt-4.1"
TEMPERATURE = 0.0
SAMPLE, SEED, CHOOSE = 50, 0, 2
SHEET, GUIDE = "for_raters.csv", "for_raters.md"
TABLE, REPORT, RECORD, CHOICE, PICTURE = (
    "ratings.csv", "report.md", "report.json", "choice.json", "ratings.png",
)  # fmt: skip

DESCRIPTION = f"""\
Rate counselling corpora: draw a sample of each, have every dialogue rated on comprehensiveness,
professionalism, authenticity and safety by a model behind an OpenAI-compatible endpoint and by
people, and choose the best. The key comes from {KEY_VARIABLE} alone.

People fill in DIR/{SHEET} (rubric: DIR/{GUIDE}); --human reads it back.

The same command, after any stop or kill, goes on where it was: the sample stays, what was answered
is never asked again, ratings read before are kept. The corpora need not be named again then.

Exit codes: 0 done, 2 bad input, 3 stopped by --max-cost or by a signal (the last line says which).
"""


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("corpora", nargs="*", type=Path, metavar="CORPUS.jsonl", help="one corpus each (.gz too)")
    add("--out", type=Path, required=True, metavar="DIR", help="run directory, with all outputs")
    add("--sample", type=whole, metavar="N", help=f"dialogues of each (default {SAMPLE})")
    add("--seed", type=int, metavar="N", help=f"of the sample (default {SEED})")
    add(
        "--human",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="filled rating sheets (.csv), or .jsonl with rater, dialogue and scores; a rater's "
        "last rating of a dialogue counts",
    )
    add(
        "--choose",
        type=whole,
        metavar="N",
        help=f"how many corpora to take (default {CHOOSE}); by people where they rated the whole "
        "sample, else by the judge",
    )
    add("--reason", metavar="TEXT", help="why these, for choice.json")
    add("--no-judge", action="store_true", help="ask no model; what it gave before counts")
    add("--model", help=f"the judge (default {MODEL}: GPT-4 class, our choice)")
    add_asking(parser, "DIR")
    add("--temperature", type=amount, help=f"of decoding (default {TEMPERATURE:g}: our choice)")
    add("--dry-run", action="store_true", help="estimate tokens and cost; ask and write nothing")
    add("--json", action="store_true", help="the report as one JSON object on standard output")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code. No text of a dialogue and no key is ever printed."""
    options = parse(argv)
    try:
        if options.out.is_file():
            raise BadInput(f"{options.out}: is a file; name a directory as --out")
        sample = _sample(options)
        if options.dry_run:
            return _estimate(options, sample)
        with alone_in(options.out, "--out"):
            return _Rating(options, sample).run()
    except (BadInput, OSError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return WRONG_INPUT


class _Rating:
    """One execution over a run directory."""

    def __init__(self, options: argparse.Namespace, sample: Sample) -> None:
        self.options, self.sample, self.folder = options, sample, options.out
        self.answers = _answers_of(options)
        check_same_answers(self.folder, self.answers)
        self.best = options.choose or CHOOSE
        if options.choose and options.choose > len(sample.corpora):
            raise BadInput(f"--choose {options.choose}: there are {len(sample.corpora)} corpora")
        if kept_sample(self.folder) is None:
            write_sample(self.folder, sample)
        # All that can be wrong is told before anything is paid for.
        earlier = people.kept(self.folder, sample.items)
        new = people.read_people(options.human, sample.items)
        self.people, self.replaced = people.merged([*earlier, *new])
        self.judgements = Judgements(self.folder, sample.items)
        self.endpoint: Endpoint | None = None
        self.price: Price | None = None
        if not options.no_judge:
            # Another judge's failures are forgotten before it is known what is left to ask.
            self.endpoint, _ = _judge_of(options, self.judgements, asking=False)
            self.judgements.of_this_judge_only(self.endpoint)
            left = bool(self._left())
            self.endpoint, self.price = _judge_of(options, self.judgements, left)
        self.directory = RunDirectory(self.folder)

    def run(self) -> int:
        directory, items = self.directory, self.sample.items
        directory.start(self._config(), len(items))
        try:
            self._write_sheet()
            if self.people:
                people.keep(self.folder, self.people)
            for line in self.replaced:
                directory.log(line)
            stopped = self._judge()
            found = self._report(stopped)
        except (BadInput, OSError) as error:
            directory.end("failed", str(error))
            raise
        except KeyboardInterrupt:
            directory.end("stopped", "stopped by a second signal")
            print(f"{NAME}: stopped by a second signal", file=sys.stderr)
            return STOPPED
        except Exception as fault:
            directory.end("failed", fault_line(fault))
            return tell_fault(NAME, fault)
        self._say(found)
        if stopped:
            directory.end("stopped", stopped)
            print(f"{NAME}: {stopped}; the same command goes on from here", file=sys.stderr)
            return STOPPED
        directory.end("done")
        return DONE

    def _left(self) -> list[Sampled]:
        kept = self.judgements.by_id
        return [
            item
            for item in self.sample.items
            if item.blind_id not in kept or not kept[item.blind_id].settled
        ]

    def _judge(self) -> str | None:
        """Ask the judge for what is left; returns why it stopped before all were asked, if so."""
        left = self._left()
        total = len(self.sample.items)
        self.directory.progress(total - len(left))
        if not left or self.endpoint is None or self.price is None:
            return None
        self.directory.log(f"judge {self.endpoint.model}: {len(left)} of {total} dialogues to ask")
        with (
            Answers(self.answers, self.folder) as answers,
            tqdm(total=total, initial=total - len(left), unit="dialogue", disable=None) as bar,
        ):
            steps = count(total - len(left) + 1)

            def finished(judgement: Judgement) -> None:
                self.judgements.add(judgement)
                if judgement.missing:
                    self.directory.log(f"missing {judgement.blind_id}: {judgement.missing_kind}")
                bar.update()
                self._tell(next(steps), answers)

            try:
                asyncio.run(
                    _ask(left, answers, self.endpoint, self.price, self.options, finished,
                         self.directory)
                )  # fmt: skip
            except LimitReached as limit:
                self.directory.log(str(limit))
                return str(limit)
            finally:
                self.judgements.write()
        return None

    def _tell(self, step: int, answers: Answers) -> None:
        prompt_tokens, completion_tokens = answers.tokens()
        spent = answers.spent(self.price) if self.price else None
        cost = {} if spent is None else {"cost_usd": round(spent, 6)}
        missing = sum(one.scores is None for one in self.judgements.by_id.values())
        self.directory.metric(
            step=step,
            missing=missing,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            **cost,
        )
        self.directory.progress(step)

    def _write_sheet(self) -> None:
        """The sheet as it goes to people. One that is there may be filled in: it stays."""
        sheet = self.folder / SHEET
        if not sheet.exists():
            write_atomically(sheet, blank_sheet(self.sample.items))
        write_atomically(self.folder / GUIDE, INTRODUCTION + guide())
        for item in self.sample.items:
            if too_long(item):
                self.directory.log(f"{item.blind_id}: longer than a cell, cut in {SHEET}")

    def _report(self, stopped: str | None) -> Findings:
        judged = self.judgements.by_id
        missing = self.judgements.missing(self.sample.items) if judged else {}
        unasked = sum(item.blind_id not in judged for item in self.sample.items)
        if judged and unasked and not stopped:
            not_through = f"the judge was not asked about {unasked} dialogues"
        else:
            not_through = None
        found = findings(
            self.sample,
            {blind_id: judged[blind_id] for blind_id in sorted(judged)},
            missing,
            self.people,
            self.replaced,
            self.best,
            self._given(),
            stopped or not_through,
        )
        for name, content in (
            (TABLE, ratings_csv(found)),
            (RECORD, _json(record(found))),
            (CHOICE, _json(choice_record(found))),
            (REPORT, markdown(found, PICTURE)),
        ):
            write_atomically(self.folder / name, content)
        part = self.folder / f"{PICTURE}.part"
        part.write_bytes(ratings_png(found.results))
        part.replace(self.folder / PICTURE)
        return found

    def _given(self) -> Given | None:
        """The reason given now, or the one given before, for the same corpora."""
        if self.options.reason and self.options.reason.strip():
            return Given(self.options.reason.strip())
        try:
            before = json.loads((self.folder / CHOICE).read_text(encoding="utf-8"))
            if before["reason_given"]:
                return Given(str(before["reason"]), frozenset(before["chosen"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return None

    def _config(self) -> dict[str, Any]:
        """All that is needed to repeat it, without the key."""
        endpoint, price, options = self.endpoint, self.price, self.options
        judge = None
        if endpoint and price:
            judge = {
                "model": endpoint.model,
                "base_url": endpoint.base_url,
                "parameters": endpoint.parameters.asked(),
                "timeout": endpoint.timeout,
                "concurrency": options.concurrency,
                "max_cost": options.max_cost,
                "price_in": price.input,
                "price_out": price.output,
                "price_note": price.note,
                "tries": TRIES,
            }
        return {
            "script": NAME,
            "corpora": [
                {"name": one.name, "file": one.file, "sha256": one.sha256}
                for one in self.sample.corpora
            ],
            "sample": self.sample.size,
            "seed": self.sample.seed,
            "judge": judge,
            "answers": str(self.answers.resolve()),
            "human": [str(path) for path in options.human],
            "choose": self.best,
            "reason": options.reason,
        }

    def _say(self, found: Findings) -> None:
        if self.options.json:
            print(_json(record(found)), end="")
            return
        for line in self.replaced:
            print(line)
        for group, one in found.rankings.items():
            for ranked in one.places:
                low, high = ranked.total.low, ranked.total.high
                interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
                print(f"{group} {ranked.place}. {ranked.corpus}: {ranked.total.mean:.3f}{interval}")
        if found.missing:
            print(f"ratings of the judge that are missing: {len(found.missing)}")
        chosen = ", ".join(found.choice.chosen) or "none"
        print(f"chosen: {chosen} ({found.choice.reason}; {found.choice.clear_cut_reason})")
        print(f"report: {self.folder / REPORT}; for people: {self.folder / SHEET}")


async def _ask(
    left: Sequence[Sampled],
    answers: Answers,
    endpoint: Endpoint,
    price: Price,
    options: argparse.Namespace,
    finished: Any,
    directory: RunDirectory,
) -> None:
    stop = Stop()
    wire = Wire(endpoint)
    budget = Budget(stop, options.max_cost, answers.spent(price) or 0.0)
    pace = Pace(stop, options.concurrency)
    asker = Asker(wire, answers, stop, pace, budget, price, note=directory.log)
    try:
        await judge_all(left, asker, endpoint, finished, stop, options.concurrency)
    finally:
        directory.log(f"answered now: {asker.asked}, from what was kept: {asker.reused}")
        await wire.close()


def _sample(options: argparse.Namespace) -> Sample:
    """The sample that is there, if it is the one that is asked for; otherwise a new one."""
    kept = kept_sample(options.out)
    if kept is None:
        if not options.corpora:
            raise BadInput(f"{options.out}: holds no sample yet; name the corpora, CORPUS.jsonl...")
        return draw_sample(
            options.corpora,
            options.sample or SAMPLE,
            SEED if options.seed is None else options.seed,
        )
    for name, asked, there in (
        ("--sample", options.sample, kept.size),
        ("--seed", options.seed, kept.seed),
    ):
        if asked is not None and asked != there:
            raise BadInput(f"{name} {asked}: {options.out} holds a sample with {there}; "
                           "leave it out, or give another --out")  # fmt: skip
    known = {one.sha256: one.name for one in kept.corpora}
    given = set()
    for path in options.corpora:
        try:
            given.add(sha256 := file_sha256(path))
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
        if sha256 not in known:
            raise BadInput(
                f"{path}: the sample in {options.out} was not drawn from this file as it is now; "
                "give another --out"
            )
    if given and (left := [name for sha256, name in known.items() if sha256 not in given]):
        raise BadInput(
            f"{options.out}: its sample has {left[0]} too, which is not named; name all corpora, "
            "or none"
        )
    return kept


def _judge_of(
    options: argparse.Namespace, judgements: Judgements, asking: bool
) -> tuple[Endpoint, Price]:
    """Whom to ask: as told, else as before, else by default. No key is needed to ask nothing."""
    before = judgements.judge()
    temperature = options.temperature
    if temperature is None:
        temperature = before.parameters.get("temperature") if before else TEMPERATURE
    endpoint = endpoint_from(
        options.model or (before.model if before else MODEL),
        options.base_url,
        Parameters(temperature=temperature),
        options.timeout,
        environment=None if asking else {KEY_VARIABLE: "none"} | dict(os.environ),
    )
    price = price_of(endpoint, options.price_in, options.price_out)
    if asking and options.max_cost is not None and not price.known:
        raise BadInput(f"--max-cost: {price.note}")
    return endpoint, price


def _answers_of(options: argparse.Namespace) -> Path:
    return options.answers or options.out / ANSWERS


def _estimate(options: argparse.Namespace, sample: Sample) -> int:
    """Say how many tokens and USD the judge would take for what is not answered yet."""
    judgements = Judgements(options.out, sample.items)
    endpoint, price = _judge_of(options, judgements, asking=False)
    file = _answers_of(options)
    requests = kept = prompt_tokens = 0
    answers = Answers(file, options.out) if file.exists() else None
    try:
        for item in () if options.no_judge else sample.items:
            asked = question(item)
            if answers and answers.get(key_of(asked, endpoint.model, endpoint.parameters)):
                kept += 1
            else:
                requests += 1
                prompt_tokens += tokens_of_messages(asked.messages)
        spent = answers.spent(price) if answers else 0.0
    finally:
        if answers:
            answers.close()
    completion_tokens = requests * EXPECTED_TOKENS
    found = {
        "dialogues": len(sample.items),
        "answered_before": kept,
        "requests": requests,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "cost_usd": price.cost(prompt_tokens, completion_tokens),
        "spent_usd": spent,
        "cost_note": price.note,
        "how": f"{HOW}; one try each: an unusable answer is asked for again, {TRIES} times in all",
    }
    if options.json:
        print(_json(found), end="")
        return DONE
    cost = "cost unknown" if found["cost_usd"] is None else f"{found['cost_usd']:.4f} USD"
    print(
        f"{len(sample.items)} dialogues, answered before: {kept}, to ask: {requests}\n"
        f"about {prompt_tokens} + {completion_tokens} tokens, {cost} ({price.note})\n{found['how']}"
    )
    return DONE


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
