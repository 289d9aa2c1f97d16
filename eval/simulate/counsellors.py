"""What the systems reply to their clients, all of a round at once.

Systems of a pair that run here share batches, base and tuned rows in one pass; those behind a
server are asked. How one is told what stands in `eval.respond`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from eval.respond import local
from eval.respond.remote import EXPECTED_TOKENS, Way
from eval.respond.replies import KeptReplies, Key, Reply
from eval.respond.rounds import Round
from eval.respond.systems import Prompts, System, reply_seed
from eval.simulate.asking import Exchange, Priced
from eval.simulate.talk import Heard, Talk
from mi_arena.chat_formats.families import PROVIDER_ROLES
from mi_arena.decoding import Decoding
from mi_arena.engine.loading import LoadedPair, load_pair
from mi_arena.engine.protocol import EngineError
from mi_arena.jobs.script import BadInput
from mi_arena.llm.asker import Asker, Unanswered
from mi_arena.llm.question import Question, Said
from mi_arena.pairs import Pair


@dataclass(frozen=True)
class Settings:
    """How replies are made, the same in every talk."""

    pair: Pair
    systems: Mapping[str, System]
    decoding: Decoding
    seed: int
    batch: int
    """Replies made at once, as memory allows."""
    prompts: Prompts
    ways: Sequence[Way]
    """Where the systems are asked that don't run here."""


class Counsellors:
    """All systems of a run."""

    def __init__(
        self,
        settings: Settings,
        kept: KeptReplies,
        exchange: Exchange,
        done: Callable[[int], None],
    ):
        """``done`` hears how many more replies there are, from whichever thread makes them."""
        self._settings, self._kept, self._exchange = settings, kept, exchange
        self._done = done
        self._askers: dict[str, Asker] = {
            way.system.name: exchange.asker(Priced(way.endpoint, way.price))
            for way in settings.ways
        }
        self._loaded: LoadedPair | None = None

    async def reply(self, talks: Sequence[Talk]) -> list[Heard]:
        """The reply in each talk, whose last word is the client's.

        Raises ``LimitReached`` on a stop; ``BadInput`` where a model or server is not to be had.
        What was answered until then is kept.
        """
        here = [talk for talk in talks if talk.system not in self._askers]
        if any(_key(talk) not in self._kept.by_key for talk in here):
            await asyncio.to_thread(self._answer_here, here)
        elsewhere = [talk for talk in talks if talk.system in self._askers]
        replies = await self._exchange.each(
            elsewhere, self._one, lambda talk: f"{talk.system}, client {talk.profile.id}"
        )
        asked = dict(zip(map(id, elsewhere), replies, strict=True))
        return [asked[id(t)] if id(t) in asked else self._kept_reply(t) for t in talks]

    def _kept_reply(self, talk: Talk) -> Heard:
        reply: Reply = self._kept.by_key[_key(talk)]
        return Heard(reply.text, reply.end == "length", reply.messages_left_out)

    def _answer_here(self, talks: Sequence[Talk]) -> None:
        """Those that are kept already are laid out too: the batches must be the same again."""
        how, pair = self._settings, self._pair()
        asks = []
        for talk in talks:
            asks += local.lay_out(
                pair,
                [_round(talk)],
                [how.systems[talk.system]],
                how.prompts,
                how.decoding.max_new_tokens,
            )

        def made(more: int) -> None:
            self._exchange.stop.check()
            self._done(more)

        local.answer(pair, asks, how.decoding, how.seed, how.batch, self._kept, made)

    def _pair(self) -> LoadedPair:
        if self._loaded is None:
            here = [s for s in self._settings.systems.values() if s.name not in self._askers]
            base_alone = not any(system.tuned for system in here)
            try:
                self._loaded = load_pair(self._settings.pair, base_alone)
            except EngineError as error:
                raise BadInput(str(error)) from None
        return self._loaded

    async def _one(self, talk: Talk) -> Heard:
        how, asked = self._settings, _round(talk)
        system = how.systems[talk.system]
        said = [
            Said(cast(Any, PROVIDER_ROLES[message.role]), message.content)
            for message in how.prompts.messages(system, asked)
        ]
        question = Question(
            tuple(said),
            seed=reply_seed(how.seed, asked, system) if how.decoding.temperature > 0 else None,
            expected_tokens=EXPECTED_TOKENS,
        )
        try:
            answer = await self._askers[talk.system].ask(question)
            self._done(1)
        except Unanswered as failure:
            if not failure.refused:
                raise
            return Heard("", refused=True)
        return Heard(answer.text.strip(), cut=answer.finish == "length")


def _round(talk: Talk) -> Round:
    """Named by all that was said, so that a reply is never taken for one to other words."""
    said = json.dumps([[m.role, m.content] for m in talk.messages], ensure_ascii=False)
    name = f"{talk.profile.id}:{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    return Round(name, len(talk.rounds) + 1, talk.profile.lang, tuple(talk.messages), "")


def _key(talk: Talk) -> Key:
    asked = _round(talk)
    return asked.dialogue_id, asked.number, talk.system
