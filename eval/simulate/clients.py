"""Who words what a client says: its own sentences, a model behind an endpoint, or a local one.

All are given the same turns, in which no system is named.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from eval.respond import local
from eval.respond.replies import KeptReplies
from eval.respond.rounds import Round
from eval.respond.systems import Prompts, System, load_mi_prompt
from eval.simulate.asking import Exchange, Priced
from eval.simulate.client_prompt import ClientPrompt, Unfit, fit_words
from eval.simulate.own_words import own_words
from eval.simulate.talk import ClientTurn
from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine.loading import LoadedPair, load_pair
from mi_arena.engine.protocol import EngineError
from mi_arena.jobs.script import BadInput
from mi_arena.llm.asker import Unanswered
from mi_arena.llm.endpoint import Parameters
from mi_arena.llm.question import Question, Said
from mi_arena.llm.stop import Stop
from mi_arena.pairs import Name, Pair, Source

ATTEMPTS = 3
"""Answers that a model may give to one turn before the profile's own sentence stands in."""
EXPECTED_TOKENS = 60
PARAMETERS = Parameters(temperature=0.8, max_tokens=400)
"""Of a model behind an endpoint; the most tokens leave room for one that thinks first."""
DECODING = Decoding(max_new_tokens=160, temperature=0.8, top_p=0.9, repetition_penalty=1.1)
"""Of a local model."""
LOCAL_CONTEXT = 8192


@dataclass(frozen=True)
class Words:
    """What a client says; ``spare`` where a model had nothing fit to say."""

    text: str
    spare: bool = False


class Client(Protocol):
    async def say(self, turns: Sequence[ClientTurn]) -> list[Words]:
        """The words of every turn, in their order."""
        ...


class OwnWords:
    """The sentences of the profiles; needs no model."""

    def __init__(self, seed: int):
        self._seed = seed

    async def say(self, turns: Sequence[ClientTurn]) -> list[Words]:
        return [Words(own_words(turn, self._seed)) for turn in turns]


class AskedClient:
    """A model behind an endpoint. What it said is kept, and so is the same for every system."""

    def __init__(self, exchange: Exchange, model: Priced, prompt: ClientPrompt, seed: int):
        self._exchange, self._asker = exchange, exchange.asker(model)
        self._prompt, self._seed = prompt, seed

    async def say(self, turns: Sequence[ClientTurn]) -> list[Words]:
        """Raises ``LimitReached`` on a stop, ``BadInput`` when turns stayed unanswered."""
        return await self._exchange.each(
            turns, self._worded, lambda turn: f"client {turn.profile.id}, round {turn.number}"
        )

    async def _worded(self, turn: ClientTurn) -> Words:
        if not turn.messages:
            return Words(turn.profile.first_words)
        lang = turn.profile.lang
        task = self._prompt.task(turn, self._seed)
        more = ""
        for attempt in range(1, ATTEMPTS + 1):
            question = Question(
                (Said("system", self._prompt.rules(lang)), Said("user", task + more)),
                # Another seed asks anew, even an endpoint that takes none.
                sample=self._seed,
                expected_tokens=EXPECTED_TOKENS,
            )
            try:
                answer = await self._asker.ask(question)
                cut = answer.finish == "length"
                return Words(fit_words(answer.text, turn, cut, answer.refused))
            except Unfit as unfit:
                more = "\n\n" + self._prompt.again(lang, unfit.reason, attempt + 1)
            except Unanswered as failure:
                if not failure.refused:
                    raise
                break
        return Words(own_words(turn, self._seed), spare=True)


class LocalClient:
    """A model in a folder, run here. A turn that was worded is kept and worded once."""

    def __init__(
        self, folder: Path, chat_format: str, prompt: ClientPrompt, seed: int, batch: int,
        kept: KeptReplies, stop: Stop,
    ):  # fmt: skip
        self._folder, self._format = folder, chat_format
        self._prompt, self._seed, self._batch = prompt, seed, batch
        self._kept, self._stop = kept, stop
        self._loaded: LoadedPair | None = None

    async def say(self, turns: Sequence[ClientTurn]) -> list[Words]:
        """Raises ``BadInput`` where the model can't be loaded or a prompt is too long for it."""
        asked = {turn_key(turn): turn for turn in turns if turn.messages}
        if any((*key, "base") not in self._kept.by_key for key in asked):
            await asyncio.to_thread(self._answer, asked)
        return [self._words(turn) for turn in turns]

    def _words(self, turn: ClientTurn) -> Words:
        if not turn.messages:
            return Words(turn.profile.first_words)
        reply = self._kept.by_key[(*turn_key(turn), "base")]
        try:
            return Words(fit_words(reply.text, turn, reply.end == "length"))
        except Unfit:
            return Words(own_words(turn, self._seed), spare=True)

    def _answer(self, asked: dict[tuple[str, int], ClientTurn]) -> None:
        model = self._model()
        mi_prompt, system = load_mi_prompt(), System("base")
        asks = []
        for (name, number), turn in asked.items():
            lang = turn.profile.lang
            task = Message(role="client", content=self._prompt.task(turn, self._seed))
            asks += local.lay_out(
                model,
                [Round(name, number, lang, (task,), "")],
                [system],
                Prompts(self._prompt.rules(lang), mi_prompt),
                DECODING.max_new_tokens,
            )
        local.answer(
            model, asks, DECODING, self._seed, self._batch, self._kept,
            lambda _: self._stop.check(),
        )  # fmt: skip

    def _model(self) -> LoadedPair:
        if self._loaded is None:
            pair = Pair(
                id="client",
                name=Name(zh="来访者", en="client"),
                base=Source(path=str(self._folder.resolve())),
                format=self._format,
                dtype="bfloat16" if torch.cuda.is_available() else "float32",
                context=LOCAL_CONTEXT,
                licence="as the model's",
            )
            try:
                self._loaded = load_pair(pair, base_alone=True)
            except EngineError as error:
                raise BadInput(f"--client: {error}") from None
        return self._loaded


def turn_key(turn: ClientTurn) -> tuple[str, int]:
    """What a turn is kept by: client, all that was said, what it is to say, and the round.

    The same for systems that said the same.
    """
    said = [[m.role, m.content] for m in turn.messages]
    facts = json.dumps([turn.stance, said], ensure_ascii=False)
    return f"{turn.profile.id}:{hashlib.sha256(facts.encode()).hexdigest()[:16]}", turn.number
