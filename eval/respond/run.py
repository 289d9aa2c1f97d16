"""A whole test set: read, answered by every system, written in the order of rounds and systems.

Knows files and the run directory; how a reply is made stands in `local` and `remote`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from eval.predictions import Prediction, write_predictions
from eval.respond import local, remote
from eval.respond.replies import KeptReplies, Key, Reply
from eval.respond.rounds import TestSet
from eval.respond.systems import Prompts, System
from mi_arena.battles.served import identify
from mi_arena.decoding import Decoding
from mi_arena.engine.loading import load_pair
from mi_arena.engine.protocol import EngineError
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from mi_arena.jobs.same_means import check_same_means
from mi_arena.jobs.script import BadInput
from mi_arena.pairs import Pair

NAME = "eval.respond"
KEPT, SUMMARY = "replies.jsonl", "summary.json"
BETWEEN_STATUSES = 0.5
"""Seconds between two notes of how far it is."""
MADE_BY = (
    "script", "out", "pair", "systems", "data_sha256", "limit", "decoding", "seed", "weights",
    "system_prompt", "mi_prompt_sha256",
)  # fmt: skip
"""What must not change between runs that go on in one place."""


@dataclass(frozen=True)
class Task:
    """One command's worth of work."""

    pair: Pair
    systems: Sequence[System]
    data: Path
    out: Path
    run: Path
    decoding: Decoding
    seed: int | None
    """None where nothing is sampled."""
    batch: int
    limit: int | None
    prompts: Prompts
    ways: Sequence[remote.Way]
    """Where the systems are asked that don't run here."""
    asking: remote.Asking

    @property
    def local_systems(self) -> list[System]:
        elsewhere = {way.system for way in self.ways}
        return [system for system in self.systems if system not in elsewhere]

    @property
    def base_alone(self) -> bool:
        """No system that runs here needs the adapter."""
        return not any(system.tuned for system in self.local_systems)

    @property
    def kept(self) -> Path:
        return self.run / "checkpoints" / KEPT

    def config(self, tests: TestSet) -> dict[str, Any]:
        """All that is needed to repeat it, without any key."""
        pair = self.pair
        return {
            "script": NAME,
            "pair": pair.id,
            "weights": self._weights(),
            "systems": [system.name for system in self.systems],
            "data": str(self.data),
            "data_sha256": tests.sha256,
            "limit": self.limit,
            "out": str(self.out),
            "format": pair.format,
            "context": pair.context,
            "decoding": self.decoding.model_dump(),
            "seed": self.seed,
            "system_prompt": self.prompts.own,
            "mi_prompt_version": self.prompts.mi.version,
            "mi_prompt_sha256": self.prompts.mi.sha256,
            "batch": self.batch,
            "base_urls": {way.system.name: way.endpoint.base_url for way in self.ways},
            "max_cost": self.asking.max_cost,
            "answers": str(self.asking.answers.resolve()),
            "versions": {name: version(name) for name in ("torch", "transformers")},
        }

    def _weights(self) -> dict[str, Any]:
        """Of those that run here; of the others a model's name is all that can be known."""
        weights: dict[str, Any] = {way.system.name: way.endpoint.model for way in self.ways}
        if self.local_systems:
            weights |= {"dtype": self.pair.dtype, "quantization": self.pair.quantization}
            weights["pair_base"] = identify(self.pair.base)
        if self.pair.adapter and not self.base_alone:
            weights["pair_adapter"] = identify(self.pair.adapter)
        return weights


def check_same_run(task: Task, config: Mapping[str, Any]) -> None:
    """What was begun must go on by the same means: replies of two settings never share a file."""
    outputs = (task.out, task.kept)
    check_same_means(task.run, config, MADE_BY, outputs)


def respond(task: Task, tests: TestSet, directory: RunDirectory) -> dict[str, Any]:
    """Answer everything, write the predictions and return the summary.

    What is answered is kept on the way. Raises ``BadInput``, ``LimitReached`` and
    ``KeyboardInterrupt`` where it ends early; then there are no predictions yet.
    """
    kept = KeptReplies(task.kept)
    replies: dict[Key, Reply] = dict(kept.by_key)
    total = len(tests.rounds) * len(task.systems)
    with _Progress(directory, total, len(replies)) as progress:
        if len(replies) < len(tests.rounds) * len(task.local_systems):
            _answer_here(task, tests, kept, directory, progress)
            replies = dict(kept.by_key)

        def finished(reply: Reply) -> None:
            replies[reply.key] = reply
            progress(1)

        if task.ways:
            asking = replace(task.asking, note=directory.log)
            asyncio.run(
                remote.ask_all(task.ways, tests.rounds, task.prompts, task.seed, asking, finished)
            )
    write_predictions(task.out, _predictions(task, tests, replies))
    summary = _summary(task, tests, replies)
    text = json.dumps(summary, ensure_ascii=False, indent=1)
    write_atomically(task.run / SUMMARY, text + "\n")
    return summary


def _answer_here(
    task: Task, tests: TestSet, kept: KeptReplies, directory: RunDirectory, progress: _Progress
) -> None:
    transformers_logging.disable_progress_bar()
    try:
        pair = load_pair(task.pair, task.base_alone)
        asks = local.lay_out(
            pair,
            tests.rounds,
            task.local_systems,
            task.prompts,
            task.decoding.max_new_tokens,
        )
        directory.log(f"pair {task.pair.id} loaded, {len(kept.by_key)} replies kept before")
        local.answer(pair, asks, task.decoding, task.seed or 0, task.batch, kept, progress)
    except EngineError as error:
        raise BadInput(str(error)) from None


def _predictions(task: Task, tests: TestSet, replies: Mapping[Key, Reply]) -> Sequence[Prediction]:
    return [
        Prediction(
            dialogue_id=asked.dialogue_id,
            round=asked.number,
            arm=system.name,
            pair=task.pair.id,
            prompt_tokens=reply.prompt_tokens,
            prediction=reply.text,
            reference=asked.reference,
        )
        for asked in tests.rounds
        for system in task.systems
        for reply in [replies[asked.dialogue_id, asked.number, system.name]]
    ]


def _summary(task: Task, tests: TestSet, replies: Mapping[Key, Reply]) -> dict[str, Any]:
    systems = {}
    for system in task.systems:
        own = [replies[one.dialogue_id, one.number, system.name] for one in tests.rounds]
        tokens = [reply.tokens for reply in own if reply.tokens is not None]
        systems[system.name] = {
            "replies": len(own),
            "tokens": sum(tokens) if len(tokens) == len(own) else None,
            "empty": sum(not reply.text for reply in own),
            "cut": sum(reply.end == "length" for reply in own),
            "histories_shortened": sum(reply.messages_left_out > 0 for reply in own),
            "messages_left_out": sum(reply.messages_left_out for reply in own),
        }
    return {
        "out": str(task.out),
        "pair": task.pair.id,
        "n_dialogues": tests.dialogues,
        "n_dialogues_without_rounds": tests.without_rounds,
        "n_rounds": len(tests.rounds),
        "max_new_tokens": task.decoding.max_new_tokens,
        "systems": systems,
    }


class _Progress:
    """Tells the terminal and the run directory how many replies there are."""

    def __init__(self, directory: RunDirectory, total: int, done: int):
        self._directory, self._step = directory, done
        self._began = self._told = time.monotonic()
        self._bar = tqdm(total=total, initial=done, unit="reply", disable=None)
        directory.progress(done)

    def __call__(self, more: int) -> None:
        self._step += more
        self._bar.update(more)
        now = time.monotonic()
        if now - self._told >= BETWEEN_STATUSES:
            self._tell(now)

    def _tell(self, now: float) -> None:
        self._told = now
        self._directory.metric(step=self._step, seconds=round(now - self._began, 2))
        self._directory.progress(self._step)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._tell(time.monotonic())
