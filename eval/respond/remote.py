"""Replies of models behind OpenAI-compatible servers: ``remote:NAME``, and pairs that are served.

Answers are kept, so that none is asked for twice. A server lays the dialogue out by its own chat
template and refuses what its context has no room for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from eval.respond.replies import Reply
from eval.respond.rounds import Round
from eval.respond.systems import Prompts, System, reply_seed
from mi_arena.chat_formats.families import PROVIDER_ROLES
from mi_arena.decoding import Decoding
from mi_arena.jobs.script import BadInput
from mi_arena.llm.answers import Answer, Answers
from mi_arena.llm.ask import Wire
from mi_arena.llm.asker import Asker, Unanswered
from mi_arena.llm.budget import Budget
from mi_arena.llm.endpoint import Endpoint, Parameters, endpoint_from
from mi_arena.llm.many import each
from mi_arena.llm.pace import Pace
from mi_arena.llm.prices import Price
from mi_arena.llm.question import Question, Said
from mi_arena.llm.stop import Stop
from mi_arena.pairs import Pair

EXPECTED_TOKENS = 150
"""How long a reply is taken to be, for the cost limit."""


@dataclass(frozen=True)
class Way:
    """A system and where it is asked."""

    system: System
    endpoint: Endpoint
    price: Price


@dataclass(frozen=True)
class Asking:
    """How all of them are asked."""

    answers: Path
    run: Path
    at_once: int
    max_cost: float | None
    note: Callable[[str], None] = lambda line: None


def endpoint_of(
    system: System, pair: Pair, decoding: Decoding, base_url: str | None, timeout: float
) -> Endpoint:
    """Where a system is asked, with its key. Raises ``BadInput`` with one line.

    A pair's own server is sent the pair's whole decoding; any other server what OpenAI's interface
    has: temperature, top_p and the most tokens.
    """
    sampled = decoding.temperature > 0
    parameters = Parameters(
        temperature=decoding.temperature,
        top_p=decoding.top_p if sampled else None,
        max_tokens=decoding.max_new_tokens,
    )
    if system.remote_model is not None:
        return endpoint_from(system.remote_model, base_url, parameters, timeout)
    server = pair.server
    assert server is not None
    whole = Parameters(
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        max_tokens=parameters.max_tokens,
        top_k=decoding.top_k or None if sampled else None,
        repetition_penalty=None
        if decoding.repetition_penalty == 1
        else decoding.repetition_penalty,
    )
    model = server.tuned if system.tuned else server.base
    # Without a variable of its own it gets no key: another server's must not go there.
    environment = os.environ if server.key_variable else {}
    variable = server.key_variable or "key_variable of its server"
    return endpoint_from(model, str(server.url), whole, timeout, environment, variable)


async def ask_all(
    ways: Sequence[Way],
    rounds: Sequence[Round],
    prompts: Prompts,
    seed: int | None,
    asking: Asking,
    finished: Callable[[Reply], None],
) -> None:
    """Ask every system for every round; ``finished`` gets the replies as they come.

    ``seed`` is None where nothing is sampled. Raises ``LimitReached`` at the cost limit or on a
    signal; ``BadInput`` where a server is not to be had, and where rounds stayed unanswered after
    all others were asked.
    """
    stop = Stop()
    unanswered: list[str] = []

    def take(_: int, result: Reply | str) -> None:
        if isinstance(result, Reply):
            finished(result)
        else:
            asking.note(f"unanswered: {result}")
            unanswered.append(result)

    with Answers(asking.answers, asking.run) as answers, stop.on_signals():
        for way in ways:
            wire = Wire(way.endpoint)
            asker = _asker(way, wire, answers, stop, asking)
            work = partial(_replied, way.system, asker, prompts, seed)
            try:
                await each(rounds, work, take, stop=stop, at_once=asking.at_once, ahead=len(rounds))
            finally:
                await wire.close()
    if unanswered:
        raise BadInput(
            f"{len(unanswered)} rounds stayed unanswered, the first: {unanswered[0]}; the same "
            "command asks for these again"
        )


def _asker(way: Way, wire: Wire, answers: Answers, stop: Stop, asking: Asking) -> Asker:
    pace = Pace(stop, asking.at_once)
    budget = Budget(stop, asking.max_cost, answers.spent(way.price) or 0.0)
    return Asker(wire, answers, stop, pace, budget, way.price, note=asking.note)


async def _replied(
    system: System, asker: Asker, prompts: Prompts, seed: int | None, asked: Round
) -> Reply | str:
    """The reply, or one line that says why there is none."""
    said = [
        Said(cast(Any, PROVIDER_ROLES[message.role]), message.content)
        for message in prompts.messages(system, asked)
    ]
    question = Question(
        tuple(said),
        seed=None if seed is None else reply_seed(seed, asked, system),
        expected_tokens=EXPECTED_TOKENS,
    )
    try:
        answer = await asker.ask(question)
    except Unanswered as failure:
        return f"{system.name}, dialogue {asked.dialogue_id!a}, round {asked.number}: {failure}"
    return _reply(asked, system, answer)


def _reply(asked: Round, system: System, answer: Answer) -> Reply:
    counted = not answer.estimated
    return Reply(
        dialogue_id=asked.dialogue_id,
        round=asked.number,
        system=system.name,
        text=answer.text.strip(),
        end="length" if answer.finish == "length" else "stop",
        prompt_tokens=answer.prompt_tokens if counted else None,
        tokens=answer.completion_tokens if counted else None,
    )
