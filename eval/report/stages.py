"""The stages of a report, one after the other: replies, codes, scores, what others found, files.

The run directory says how far it is. Replies and a judge's answers are kept as they are made; the
later stages take seconds and are done anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from eval.judge.standing import ValidationRecord, read_record
from eval.prediction_checks import check_predictions
from eval.predictions import Prediction, PredictionLine, read_predictions
from eval.report.costs import LOCAL, UNKNOWN, Cost, reasons, seconds_noted
from eval.report.judge_codings import Judged, read_judged
from eval.report.settings_part import Answered, InputFile
from eval.report.simulated_summary import SimulatedSummary, read_simulated
from eval.report.study_records import OPTION, StudyRecords, read_study
from eval.report.words import Lang, Words
from eval.score.names import PROFILES
from mi_arena.dialogue import write_dialogues
from mi_arena.jobs.dialogue_files import file_sha256
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from mi_arena.jobs.script import BadInput
from mi_arena.workspace.study_reading import database_in

if TYPE_CHECKING:  # these bring libraries, and bad input has to be told at once
    from eval.report.round_table import RoundRow
    from eval.respond.rounds import TestSet
    from eval.respond.run import Task as Answering
    from eval.score.results import ScoredRound
    from mi_arena.llm.task_command import Job
    from mi_arena.llm.work_through import Tally

NAME = "eval.report"
PREDICTIONS = "predictions"
"""The folder of the replies that a report had made."""
JUDGED = "judged"
"""That of their codings by a judge."""
CODES = "codes"
OF_A_JUDGE = "tokens and money stand with the judge"
Found = TypeVar("Found")
Told = Callable[[int], None]
"""Hears how far a stage is."""


@dataclass(frozen=True)
class Plan:
    """What one command asks for."""

    out: Path
    answering: Sequence[Answering]
    """Pairs whose replies are made first, into ``out``."""
    predictions: Sequence[Path]
    data: Path | None
    limit: int | None
    judging: Job | None
    """The judge that codes all replies, from and into ``out``."""
    codings: Sequence[Path]
    validation: Path | None
    simulated: Path | None
    study: Path | None
    minimum: int
    """Judgements below which no share is told."""
    draws: int
    seed: int
    examples: int | None
    lang: Lang
    title: str | None

    def config(self) -> dict[str, Any]:
        """What repeats the run, in plain YAML."""
        return {
            "script": NAME,
            "pairs": [one.pair.id for one in self.answering],
            "systems": [system.name for one in self.answering[:1] for system in one.systems],
            "predictions": [str(path) for path in self.predictions],
            "data": str(self.data) if self.data else None,
            "limit": self.limit,
            "judge": self.judging.task.endpoint.model if self.judging else None,
            "codings": [str(path) for path in self.codings],
            "validation": str(self.validation) if self.validation else None,
            "transcripts_summary": str(self.simulated) if self.simulated else None,
            "study": str(self.study) if self.study else None,
            "minimum": self.minimum,
            "bootstrap": self.draws,
            "seed": self.seed,
            "examples": self.examples,
            "lang": self.lang,
            "title": self.title,
        }


@dataclass(frozen=True)
class Given:
    """What was read before anything began, so that bad input is told at once."""

    record: ValidationRecord | None
    judged: Sequence[Judged]
    predictions: Sequence[Prediction]
    simulated: SimulatedSummary | None
    tests: TestSet | None

    def replies_of(self, task: Answering) -> int:
        return len(self.tests.rounds) * len(task.systems) if self.tests else 0


def replies(plan: Plan, given: Given) -> int:
    """All that are made or given."""
    return sum(map(given.replies_of, plan.answering)) + len(given.predictions)


def steps(plan: Plan, given: Given) -> int:
    """Of the run: a reply made or coded is one; so are scores, study and files."""
    made = sum(map(given.replies_of, plan.answering))
    return made + (replies(plan, given) if plan.judging else 0) + 3


def read_given(plan: Plan) -> Given:
    """Raises ``BadInput`` with the line that is wrong."""
    from eval.respond.rounds import read_test_set

    record = read_record(plan.validation) if plan.validation else None
    judged = read_judged(plan.codings, record)
    predictions = _checked(plan.predictions) if plan.predictions else []
    _check_not_made_twice(plan, predictions)
    if plan.study:
        database_in(plan.study, OPTION)
    return Given(
        record=record,
        judged=judged,
        predictions=[line.prediction for line in predictions],
        simulated=read_simulated(plan.simulated) if plan.simulated else None,
        tests=read_test_set(plan.data, plan.limit) if plan.data else None,
    )


def _check_not_made_twice(plan: Plan, given: Sequence[PredictionLine]) -> None:
    """Before any reply is made: what is given as a file can't be made too."""
    made = {(task.pair.id, system.name) for task in plan.answering for system in task.systems}
    for line in given:
        if (line.prediction.pair, line.prediction.arm) in made:
            raise BadInput(
                f"{line.place}: holds replies of {line.prediction.arm} of the pair "
                f"{line.prediction.pair}, which --pair would make again: leave out one of the two"
            )


def make_report(plan: Plan, given: Given, run: RunDirectory) -> dict[str, Any]:
    """All stages; returns what ``report.json`` holds.

    Raises ``BadInput``, ``LimitReached`` and ``KeyboardInterrupt`` where it ends early.
    """
    from eval.report.assembly import Material, assemble
    from eval.report.files import write_report
    from eval.report.round_codes import round_codes

    stages = _Stages(run)
    answered, files = [], {}
    for task in plan.answering:
        size = given.replies_of(task)
        answered.append(stages.done(f"replies {task.pair.id}", partial(_answered, task), size))
        files[f"{PREDICTIONS}/{task.out.name}"] = task.out
    files |= dict(zip(_names(plan.predictions), plan.predictions, strict=True))
    codings, judged = list(plan.codings), list(given.judged)
    not_coded: Mapping[str, int] = {}
    if plan.judging:
        judge = partial(_codes, plan.judging, given, list(files.values()))
        tally = stages.done(CODES, judge, replies(plan, given))
        not_coded = tally.dead
        if tally.done:
            codings.append(plan.judging.task.out)
            judged += read_judged([plan.judging.task.out], given.record)
    rounds = stages.done("scores", lambda _: _scored(list(files.values())))
    study = stages.done("study", lambda _: _study(plan))
    words = Words(plan.lang)

    def write(_: Told) -> dict[str, Any]:
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
        costs = [*_costs(plan, answered), *stages.costs(), *_judge_costs(judged)]
        inputs = list(_inputs(plan, given, files, rounds))
        pairs = dict.fromkeys(one.prediction.pair for one in rounds)
        material = Material(
            answered=answered,
            inputs=inputs,
            rounds=rounds,
            tests=given.tests,
            codes=round_codes(plan.data, plan.limit, pairs, codings),
            judged=judged,
            not_coded=not_coded,
            simulated=given.simulated,
            study=study,
            costs=costs,
        )
        parts, rows = assemble(material, plan.draws, plan.seed, plan.examples, words)
        _write_rounds(plan.out, rows)
        lead = [words("made_at", at=made_at), words("lead")]
        about = {"made_at": f"{made_at} UTC"}
        return write_report(plan.out, plan.title or words("title"), lead, parts, words, about)

    return stages.done("files", write)


class _Stages:
    """Tells the run directory how far it is, and remembers how long each stage took."""

    def __init__(self, run: RunDirectory):
        self._run, self._reached = run, 0
        self._took: dict[str, float] = {}

    def done(self, name: str, work: Callable[[Told], Found], size: int = 1) -> Found:
        """``size`` is how many of the run's steps it takes; ``work`` tells how far it is in it."""
        self._run.log(f"{name} begins")
        before, began = self._reached, time.monotonic()
        found = work(lambda step: self._run.progress(before + min(step, size)))
        self._took[name] = round(time.monotonic() - began, 1)
        self._run.metric(stage=name, seconds=self._took[name])
        self._reached = before + size
        self._run.progress(self._reached)
        return found

    def costs(self) -> list[Cost]:
        """Of the stages that have no run directory of their own."""
        return [
            Cost(name, seconds, None, None, OF_A_JUDGE if name == CODES else "asks no model")
            for name, seconds in self._took.items()
            if not name.startswith("replies ")
        ]


def _answered(task: Answering, told: Told) -> Answered:
    from eval.respond.command import carry_out

    summary = carry_out(task, told)
    config = yaml.safe_load((task.run / "config.yaml").read_text(encoding="utf-8"))
    return Answered(task.pair, config, summary)


def _codes(job: Job, given: Given, paths: Sequence[Path], told: Told) -> Tally:
    """Have the judge code every reply; returns how many dialogues it could and couldn't."""
    from eval.report.round_dialogues import round_dialogues
    from mi_arena.llm.dialogue_task import count
    from mi_arena.llm.task_command import do
    from mi_arena.llm.work_through import Tally

    assert given.tests is not None, "asked for with --judge"
    replies = [line.prediction for line in _checked(paths)]
    job.task.source.parent.mkdir(parents=True, exist_ok=True)
    write_dialogues(job.task.source, round_dialogues(given.tests.rounds, replies))
    total, sha256 = count(job.task)
    tally = Tally(total)
    do(job, sha256, tally, lambda step: told(step * len(replies) // total))
    return tally


def _checked(paths: Sequence[Path]) -> list[PredictionLine]:
    lines = list(read_predictions(paths))
    if not lines:
        raise BadInput(f"{paths[0]}: holds no prediction; one round a line is wanted")
    check_predictions(lines)
    return lines


def _scored(paths: Sequence[Path]) -> list[ScoredRound]:
    from eval.score.results import ScoredRound
    from eval.score.rounds import score_rounds

    if not paths:
        return []
    predictions = [line.prediction for line in _checked(paths)]
    scores = score_rounds([_texts(one) for one in predictions], PROFILES, lambda _: None)
    return [ScoredRound(*both) for both in zip(predictions, scores, strict=True)]


def _texts(one: Prediction) -> tuple[str, str]:
    return one.reference, one.prediction


def _study(plan: Plan) -> StudyRecords | None:
    return read_study(plan.study, plan.minimum) if plan.study else None


def _inputs(
    plan: Plan, given: Given, files: dict[str, Path], rounds: Sequence[ScoredRound]
) -> Iterator[InputFile]:
    if plan.data and given.tests:
        yield InputFile(plan.data.name, given.tests.sha256, len(given.tests.rounds), "rounds")
    for name, path in files.items():
        lines = sum(1 for _ in read_predictions([path]))
        yield InputFile(name, file_sha256(path), lines, "predictions")
    for path in plan.codings:
        lines = sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())
        yield InputFile(path.name, file_sha256(path), lines, "codings")


def _costs(plan: Plan, answered: Sequence[Answered]) -> Iterator[Cost]:
    for task, one in zip(plan.answering, answered, strict=True):
        tokens = [system["tokens"] for system in one.summary["systems"].values()]
        whole = sum(tokens) if None not in tokens else None
        seconds = seconds_noted(task.run / "metrics.jsonl")
        no_price = "what was asked of servers is not priced here" if task.ways else LOCAL
        no_tokens = None if whole is not None else "a server did not say its tokens"
        no_seconds = None if seconds is not None else UNKNOWN
        name = f"replies {task.pair.id}"
        yield Cost(name, seconds, whole, None, reasons(no_price, no_tokens, no_seconds))


def _judge_costs(judged: Sequence[Judged]) -> Iterator[Cost]:
    for one in judged:
        spent = one.spent
        missing = None not in (spent.completion_tokens, spent.usd)
        yield Cost(
            f"judge {one.judge.model}",
            None,
            spent.completion_tokens,
            spent.usd,
            reasons("codings tell no time", None if missing else "some codings tell no cost"),
        )


def _write_rounds(folder: Path, rows: Sequence[RoundRow]) -> None:
    """With texts for a page that only admins see, and as numbers alone."""
    from eval.report.round_table import as_csv, as_records

    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in as_records(rows))
    write_atomically(folder / "rounds.jsonl", "".join(lines))
    write_atomically(folder / "rounds.csv", as_csv(rows))


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of files without their folders, each different."""
    found: list[str] = []
    for path in paths:
        candidates = (path.name if n == 1 else f"{path.name} ({n})" for n in count(1))
        found.append(next(name for name in candidates if name not in found))
    return found
