"""Replies of a pair that is loaded here: base, prompted base and tuned rows in one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from eval.respond.batches import Ask, Family, batches, families
from eval.respond.replies import KeptReplies, Reply
from eval.respond.rounds import Round
from eval.respond.systems import Prompts, System, reply_seed
from mi_arena.chat_formats import FormatError
from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine.batch import Row
from mi_arena.engine.branches import Branches
from mi_arena.engine.loading import LoadedPair
from mi_arena.jobs.script import BadInput


def lay_out(
    pair: LoadedPair,
    rounds: Sequence[Round],
    systems: Sequence[System],
    prompts: Prompts,
    most_new: int,
) -> list[Ask]:
    """Every reply that is wanted, by round and system.

    Early rounds make room where the context is too short for the history and ``most_new`` tokens
    of reply, as in a battle. Base and tuned are told the same and so lose the same; the prompted
    base, told more, may lose more. Raises ``BadInput`` for a client turn that is too long alone.
    """
    asks = []
    for asked in rounds:
        fitted: dict[bool, tuple[list[int], int]] = {}
        for system in systems:
            if system.prompted not in fitted:
                messages = prompts.messages(system, asked)
                fitted[system.prompted] = _fitted(pair, asked, messages, most_new)
            asks.append(Ask(asked, system, *fitted[system.prompted]))
    return asks


def _fitted(
    pair: LoadedPair, asked: Round, messages: Sequence[Message], most_new: int
) -> tuple[list[int], int]:
    try:
        return pair.chat.fitted_prompt(messages, pair.context - most_new)
    except FormatError as error:
        raise BadInput(
            f"dialogue {asked.dialogue_id!a}, round {asked.number}: {error}; lower "
            "--max-new-tokens, raise the pair's context, or leave the dialogue out"
        ) from None


def plan(asks: Sequence[Ask], most: int) -> list[list[Family]]:
    """Batches of at most ``most`` replies. Both arms of a dialogue stand beside each other."""
    apart: dict[tuple[str, str], list[Ask]] = defaultdict(list)
    for ask in asks:
        apart[ask.round.dialogue_id, ask.system.name].append(ask)
    return batches([family for one in apart.values() for family in families(one)], most)


def answer(
    pair: LoadedPair,
    asks: Sequence[Ask],
    decoding: Decoding,
    seed: int,
    most: int,
    kept: KeptReplies,
    progress: Callable[[int], None],
) -> None:
    """Make all replies that are not kept yet, and keep them batch by batch.

    ``progress`` hears how many more have come to their end. Raises ``BadInput`` when the GPU's
    memory is too small for a batch.
    """
    for batch in plan(asks, most):
        left = [[ask for ask in family if ask.key not in kept.by_key] for family in batch]
        made = []
        try:
            for ended in decoded(pair, [family for family in left if family], decoding, seed):
                made += [_reply(ask, row, pair) for ask, row in ended]
                progress(len(ended))
        except torch.OutOfMemoryError:
            raise BadInput("the GPU has too little memory: name a smaller --batch") from None
        if made:
            kept.add(made)


def decoded(
    pair: LoadedPair, batch: Sequence[Family], decoding: Decoding, seed: int
) -> Iterator[list[tuple[Ask, Row]]]:
    """The rows of a batch with what was asked, after each step those that have met their end."""
    if not batch:
        return
    groups = [[_row(ask, decoding, seed) for ask in family] for family in batch]
    asked = {
        id(row): ask
        for family, rows in zip(batch, groups, strict=True)
        for ask, row in zip(family, rows, strict=True)
    }
    branches = Branches(pair.model, pair.mask, pair.chat.pad_id, groups)
    while branches.rows:
        branches.step()
        ended = [row for row in branches.rows if _has_ended(row, pair)]
        yield [(asked[id(row)], row) for row in ended]
        branches.let_go(ended)


def _row(ask: Ask, decoding: Decoding, seed: int) -> Row:
    return Row(
        prompt=ask.prompt,
        tuned=ask.system.tuned,
        decoding=decoding,
        generator=np.random.default_rng(reply_seed(seed, ask.round, ask.system)),
    )


def _has_ended(row: Row, pair: LoadedPair) -> bool:
    return row.new[-1] in pair.chat.stop_ids or len(row.new) >= row.decoding.max_new_tokens


def _reply(ask: Ask, row: Row, pair: LoadedPair) -> Reply:
    stopped = row.new[-1] in pair.chat.stop_ids
    return Reply(
        dialogue_id=ask.round.dialogue_id,
        round=ask.round.number,
        system=ask.system.name,
        text=pair.chat.decode(row.new[:-1] if stopped else row.new),
        end="stop" if stopped else "length",
        prompt_tokens=len(ask.prompt),
        tokens=len(row.new),
        messages_left_out=ask.messages_left_out,
    )
