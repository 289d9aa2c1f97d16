"""A whole run: every profile talks to every system, round by round, and is written down.

Knows files and the run directory. A run that was killed goes through the same talks again: what was
said is kept, so that it comes to the same words.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from eval.respond.remote import Way
from eval.respond.replies import KeptReplies
from eval.respond.systems import System
from eval.simulate.asking import Exchange, HowToAsk, Priced
from eval.simulate.behaviours import table
from eval.simulate.client_prompt import ClientPrompt
from eval.simulate.client_state import rules
from eval.simulate.clients import (
    DECODING,
    AskedClient,
    Client,
    LocalClient,
    OwnWords,
)
from eval.simulate.counsellors import Counsellors, Settings
from eval.simulate.profiles import Profiles
from eval.simulate.summary import summary
from eval.simulate.talk import Talk
from eval.simulate.transcripts import dialogue, left_out, match_id
from mi_arena.battles.served import identify
from mi_arena.dialogue import Dialogue, write_dialogues
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from mi_arena.jobs.same_means import check_same_means
from mi_arena.llm.stop import Stop
from mi_arena.pairs import missing

NAME = "eval.simulate"
SUMMARY = "summary.json"
TABLES = ("behaviours.yaml", "client_rules.yaml", "reactions.yaml")
BETWEEN_STATUSES = 0.5
"""Seconds between two notes of how far it is."""
SAME_CLIENT = (
    "pair", "weights", "decoding", "system_prompt", "mi_prompt_sha256", "seed", "rounds",
    "client", "tables_sha256",
)  # fmt: skip
"""What makes dialogues with one profile a match."""
MADE_BY = ("script", "out", "systems", "profiles_sha256", "limit", *SAME_CLIENT)
"""What must not change between runs that go on in one place."""


@dataclass(frozen=True)
class ClientModel:
    """The model that words what clients say; without ``folder`` it is asked, with it run here."""

    name: str
    prompt: ClientPrompt
    asked: Priced | None = None
    folder: Path | None = None
    chat_format: str | None = None

    def config(self) -> dict[str, Any]:
        how = self.asked.endpoint.parameters.asked() if self.asked else DECODING.model_dump()
        return {
            "model": self.name,
            "format": self.chat_format,
            "parameters": how,
            "prompt_version": self.prompt.file.version,
            "prompt_sha256": self.prompt.file.sha256,
        }


@dataclass(frozen=True)
class Task:
    """One command's worth of work."""

    profiles: Profiles
    profiles_path: Path
    settings: Settings
    client: ClientModel | None
    """``None``: the profiles' own sentences."""
    rounds: int
    limit: int | None
    out: Path
    run: Path
    asking: HowToAsk

    @property
    def left_out(self) -> Path:
        return self.out.with_name(self.out.stem + ".left-out.jsonl")

    @property
    def systems(self) -> list[System]:
        return list(self.settings.systems.values())

    @property
    def ways(self) -> Sequence[Way]:
        return self.settings.ways

    @property
    def steps(self) -> int:
        return len(self.profiles.profiles) * len(self.systems) * self.rounds

    def config(self) -> dict[str, Any]:
        """All that is needed to repeat it, without any key."""
        how, pair = self.settings, self.settings.pair
        return {
            "script": NAME,
            "out": str(self.out),
            "pair": pair.id,
            "weights": _weights(self),
            "systems": [system.name for system in self.systems],
            "profiles": str(self.profiles_path),
            "profiles_sha256": self.profiles.sha256,
            "limit": self.limit,
            "rounds": self.rounds,
            "seed": how.seed,
            "client": self.client.config() if self.client else {"model": "rules"},
            "rules_version": rules().version,
            "behaviours_version": table().version,
            "tables_sha256": _tables_sha256(),
            "decoding": how.decoding.model_dump(),
            "system_prompt": pair.system_prompt,
            "mi_prompt_version": how.prompts.mi.version,
            "mi_prompt_sha256": how.prompts.mi.sha256,
            "batch": how.batch,
            "base_urls": {way.system.name: way.endpoint.base_url for way in self.ways},
            "max_cost": self.asking.max_cost,
            "answers": str(self.asking.answers.resolve()),
            "versions": {name: version(name) for name in ("torch", "transformers")},
        }


def _tables_sha256() -> str:
    """Of all that decides, beside the profiles, what a client does and says."""
    whole = b"".join(files("eval.simulate").joinpath(name).read_bytes() for name in TABLES)
    return hashlib.sha256(whole).hexdigest()


def _weights(task: Task) -> dict[str, Any]:
    """Of the pair, whichever of its systems take part; of others a name is all that is known."""
    pair = task.settings.pair
    if pair.server is not None:
        return {"base": pair.server.base, "tuned": pair.server.tuned}
    if all(system.remote_model for system in task.systems):
        return {}
    found: dict[str, Any] = {"dtype": pair.dtype, "quantization": pair.quantization}
    found["base"] = identify(pair.base)
    if pair.adapter is not None and missing(pair) is None:
        found["adapter"] = identify(pair.adapter)
    return found


def check_same_run(task: Task, config: Mapping[str, Any]) -> None:
    """What was begun must go on by the same means: talks of two settings never share a file."""
    outputs = (task.out, task.left_out, task.run / "checkpoints")
    check_same_means(task.run, config, MADE_BY, outputs)


async def simulate(
    task: Task, config: Mapping[str, Any], directory: RunDirectory
) -> dict[str, Any]:
    """Hold all talks, write the transcripts and return the summary.

    Raises ``BadInput`` and ``LimitReached`` where it ends early; then there are no transcripts yet,
    and what was said is kept.
    """
    transformers_logging.disable_progress_bar()
    talks = [
        Talk(profile, system.name, task.rounds)
        for profile in task.profiles.profiles
        for system in task.systems
    ]
    stop = Stop()
    with stop.on_signals(), _Progress(directory, task.steps) as progress:
        async with aclosing(Exchange(task.asking, stop, directory.log)) as exchange:
            client = _client(task, exchange)
            kept = KeptReplies(directory.checkpoints / "replies.jsonl")
            counsellors = Counsellors(task.settings, kept, exchange, progress.more)
            while live := [talk for talk in talks if talk.ended is None]:
                await _round(live, client, counsellors)
                progress.at(sum(talk.steps for talk in talks))
    _write(task, config, talks)
    told = summary({s.name: [t for t in talks if t.system == s.name] for s in task.systems})
    told = {"out": str(task.out), "pair": task.settings.pair.id, **_said_of_run(config), **told}
    text = json.dumps(told, ensure_ascii=False, indent=1)
    write_atomically(task.run / SUMMARY, text + "\n")
    return told


async def _round(live: Sequence[Talk], client: Client, counsellors: Counsellors) -> None:
    """One turn of every client and the replies to those that may be answered."""
    words = await client.say([talk.next_turn() for talk in live])
    for talk, said in zip(live, words, strict=True):
        talk.client_says(said.text, said.spare)
    answered = [talk for talk in live if talk.ended is None]
    for talk, heard in zip(answered, await counsellors.reply(answered), strict=True):
        talk.counsellor_says(heard)


def _client(task: Task, exchange: Exchange) -> Client:
    model, seed = task.client, task.settings.seed
    if model is None:
        return OwnWords(seed)
    if model.asked is not None:
        return AskedClient(exchange, model.asked, model.prompt, seed)
    assert model.folder is not None and model.chat_format is not None
    kept = KeptReplies(task.run / "checkpoints" / "client_turns.jsonl")
    return LocalClient(
        model.folder, model.chat_format, model.prompt, seed, task.settings.batch, kept,
        exchange.stop,
    )  # fmt: skip


def _write(task: Task, config: Mapping[str, Any], talks: Sequence[Talk]) -> None:
    """Transcripts for raters, and beside them those that are none for raters."""
    made_by = {name: config[name] for name in SAME_CLIENT}
    fit: list[Dialogue] = []
    out: list[Dialogue] = []
    for talk in talks:
        why, match = left_out(talk), match_id(talk, made_by)
        told = _said_of_run(config) | ({"left_out": why} if why else {})
        (out if why else fit).append(dialogue(talk, task.settings.pair.id, match, told))
    if out:
        write_dialogues(task.left_out, out)
    write_dialogues(task.out, fit)


def _said_of_run(config: Mapping[str, Any]) -> dict[str, Any]:
    names = ("seed", "client", "rules_version", "behaviours_version", "mi_prompt_version")
    return {name: config[name] for name in names}


class _Progress:
    """Tells the terminal and the run directory how many rounds are done; one of a talk that has
    ended early counts as done."""

    def __init__(self, directory: RunDirectory, total: int):
        self._directory = directory
        self._step = 0
        self._began = self._told = time.monotonic()
        self._bar = tqdm(total=total, unit="round", disable=None)
        directory.progress(0)

    def at(self, step: int) -> None:
        self.more(step - self._step)

    def more(self, steps: int) -> None:
        self._bar.update(steps)
        self._step += steps
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
