"""A whole corpus: read, estimate, rewrite, and write in the order of the input.

Knows files and the run directory; what happens to one dialogue stands in `rewrite`.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from mi_arena.dialogue import Dialogue, read_dialogues
from mi_arena.jobs.dialogue_files import file_sha256, told_in_one_line
from mi_arena.jobs.growing import GrowingFile
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import BadInput
from mi_arena.llm.answers import Answers
from mi_arena.llm.ask import Wire
from mi_arena.llm.asker import Asker
from mi_arena.llm.budget import Budget
from mi_arena.llm.many import each
from mi_arena.llm.pace import Pace
from mi_arena.llm.prices import Price
from mi_arena.llm.question import key_of
from mi_arena.llm.stop import Stop
from mi_arena.llm.tokens import HOW, tokens_of_messages
from training.transcribe.prompt import GROWTH, material
from training.transcribe.rewrite import DeadLetter, How, rewrite, unfit

TOKENS_OF_REASONS = 200
"""What a failed attempt's reasons add to the next request, for estimates."""
BETWEEN_METRICS = 0.5
"""Seconds between two lines of metrics."""
MADE_BY = ("model", "prompt_version", "prompt_sha256", "parameters", "keep_client")
"""What must not change between runs that go on in one place."""


@dataclass(frozen=True)
class Task:
    """One command's worth of work."""

    source: Path
    out: Path
    run: Path
    how: How
    price: Price
    limit: int | None
    concurrency: int
    max_cost: float | None
    answers: Path
    """The file of answers, which other runs may share."""
    replace: bool = False
    """What stands at ``out`` may be cut or replaced: another input, or fewer dialogues."""

    @property
    def dead(self) -> Path:
        return self.out.with_name(self.out.stem + ".dead.jsonl")

    def dialogues(self) -> Iterator[Dialogue]:
        return islice(read_dialogues(self.source), self.limit)

    def config(self, input_sha256: str) -> dict[str, Any]:
        """All that is needed to repeat it, without the key."""
        how, endpoint = self.how, self.how.endpoint
        return {
            "script": "training.transcribe",
            "input": str(self.source),
            "input_sha256": input_sha256,
            "out": str(self.out),
            "answers": str(self.answers.resolve()),
            "base_url": endpoint.base_url,
            "model": endpoint.model,
            "prompt_version": how.prompt.version,
            "prompt_sha256": how.prompt.sha256,
            "parameters": endpoint.parameters.asked(),
            "keep_client": "all" if how.keep_client is None else sorted(how.keep_client),
            "with_crisis": how.with_crisis,
            "attempts": how.attempts,
            "limit": self.limit,
            "concurrency": self.concurrency,
            "timeout": endpoint.timeout,
            "max_cost": self.max_cost,
            "price_in": self.price.input,
            "price_out": self.price.output,
            "price_note": self.price.note,
        }


@dataclass
class Tally:
    """How a run stands. ``done`` and ``dead`` count what stands in the files."""

    total: int
    done: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    cost_note: str = ""

    def record(self) -> dict[str, Any]:
        dead = dict(sorted(self.dead.items()))
        left = self.total - self.done - self.dead.total()
        return vars(self) | {"dead": dead, "left": left}


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
        wrong = [name for name in MADE_BY if before[name] != config[name]]
        elsewhere = before["script"] != config["script"] or before["out"] != config["out"]
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


def estimate(task: Task, total: int) -> dict[str, Any]:
    """Tokens and cost of what is not answered yet; asks nothing."""
    how, endpoint = task.how, task.how.endpoint
    answers = Answers(task.answers, task.run) if task.answers.exists() else None
    left_out: Counter[str] = Counter()
    requests = kept = prompt = completion = 0
    try:
        for source in task.dialogues():
            dead = unfit(source, how)
            if dead is not None:
                left_out[dead.kind] += 1
                continue
            question = how.prompt.question(material(source), how.keeps_client(source.source))
            if answers and answers.get(key_of(question, endpoint.model, endpoint.parameters)):
                kept += 1
                continue
            requests += 1
            prompt += tokens_of_messages(question.messages)
            completion += question.expected_tokens
        spent = answers.spent(task.price) if answers else 0.0
    finally:
        if answers:
            answers.close()
    again = how.attempts - 1
    most_prompt = how.attempts * prompt + again * (completion + requests * TOKENS_OF_REASONS)
    return {
        "dialogues": total,
        "left_out": dict(sorted(left_out.items())),
        "answered_before": kept,
        "requests": requests,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost_usd": task.price.cost(prompt, completion),
        "cost_usd_at_most": task.price.cost(most_prompt, how.attempts * completion),
        "spent_usd": spent,
        "cost_note": task.price.note,
        "how": f"{HOW}; an answer is taken to be {GROWTH} times as long as its dialogue; the first "
        f"cost is for one attempt each, the other for {how.attempts}",
    }


async def transcribe(
    task: Task,
    tally: Tally,
    run: RunDirectory,
    answers: Answers,
    progress: Callable[[int], None] = lambda step: None,
) -> None:
    """Rewrite everything into ``out`` and the dead letters; ``tally`` is kept up to date.

    Raises ``LimitReached`` or ``BadInput`` where it ends early; what is finished up to there stands
    in the files, and what was answered is kept.
    """
    stop = Stop()
    wire = Wire(task.how.endpoint)
    spent = answers.spent(task.price)
    budget = Budget(stop, task.max_cost, spent or 0.0)
    pace = Pace(stop, task.concurrency)
    asker = Asker(wire, answers, stop, pace, budget, task.price, note=run.log)
    with closing(GrowingFile(task.out)) as out, closing(GrowingFile(task.dead)) as dead:
        writer = _Writer(task, tally, run, asker, out, dead, progress)

        async def work(source: Dialogue) -> Dialogue | DeadLetter:
            return await rewrite(source, asker.ask, task.how)

        try:
            with stop.on_signals():
                await each(
                    task.dialogues(),
                    work,
                    writer.finished,
                    stop=stop,
                    at_once=task.concurrency,
                    ahead=8 * task.concurrency + 16,
                )
            out.complete()
            dead.complete()
        finally:
            writer.tell(last=True)
            await wire.close()


class _Writer:
    """Takes results as they come, writes them in order, and tells how far it is."""

    def __init__(
        self,
        task: Task,
        tally: Tally,
        run: RunDirectory,
        asker: Asker,
        out: GrowingFile,
        dead: GrowingFile,
        progress: Callable[[int], None],
    ) -> None:
        self._task, self._tally, self._run, self._asker = task, tally, run, asker
        self._out, self._dead, self._progress = out, dead, progress
        self._waiting: dict[int, Dialogue | DeadLetter] = {}
        self._next = self._step = 0
        self._told_at = float("-inf")

    def finished(self, position: int, result: Dialogue | DeadLetter) -> None:
        self._step += 1
        self._waiting[position] = result
        if isinstance(result, DeadLetter):
            self._run.log(f"dead {result.id!a} {result.kind}: {', '.join(result.reasons)}")
        while self._next in self._waiting:
            self._write(self._waiting.pop(self._next))
            self._next += 1
        self.tell()

    def _write(self, result: Dialogue | DeadLetter) -> None:
        if isinstance(result, DeadLetter):
            self._dead.write(json.dumps(result.record(), ensure_ascii=False))
            self._tally.dead[result.kind] += 1
        else:
            self._out.write(json.dumps(result.model_dump(), ensure_ascii=False))
            self._tally.done += 1

    def tell(self, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._told_at < BETWEEN_METRICS:
            return
        self._told_at = now
        tally, asker = self._tally, self._asker
        tally.asked, tally.reused = asker.asked, asker.reused
        tally.prompt_tokens, tally.completion_tokens = asker.answers.tokens()
        tally.cost_usd = asker.answers.spent(self._task.price)
        tally.cost_note = self._task.price.note
        cost = {} if tally.cost_usd is None else {"cost_usd": round(tally.cost_usd, 6)}
        self._run.metric(
            step=self._step,
            done=tally.done,
            dead=tally.dead.total(),
            prompt_tokens=tally.prompt_tokens,
            completion_tokens=tally.completion_tokens,
            **cost,
        )
        self._run.progress(self._step)
        self._progress(self._step)
