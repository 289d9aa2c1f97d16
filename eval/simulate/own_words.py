"""A client without any model: a reaction, and a sentence of its own that fits the stance.

The words follow from the seed, the profile and what was said so far, so that two systems that say
the same hear the same.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from eval.simulate.behaviours import Behaviour, Lang
from eval.simulate.client_state import CLOSING
from eval.simulate.talk import ClientTurn

Reaction = Behaviour | Literal["nothing"]
FIRST_HEARD: tuple[Reaction, ...] = (
    "silence", "unreadable", "repetition", "confrontation", "lecture", "advice", "affirmation",
    "autonomy", "reflection", "permission", "permitted_advice", "open_question", "closed_question",
)  # fmt: skip
"""Of several things that a counsellor did, the client reacts to the first of these."""
REACTS = 0.6
"""How often a client says a reaction before its sentence."""
ALWAYS: frozenset[Reaction] = frozenset(
    {"silence", "unreadable", "repetition", "confrontation", "lecture"}
)
"""What nobody lets pass."""


class Reactions(BaseModel):
    """The table of one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    joined: str
    """What stands between a reaction and the sentence."""
    again: list[str]
    """What comes before a sentence that was said already."""
    reactions: dict[Reaction, list[str]]


@cache
def reactions(lang: Lang) -> Reactions:
    text = files("eval.simulate").joinpath("reactions.yaml").read_text(encoding="utf-8")
    return Reactions.model_validate(yaml.safe_load(text)[lang])


def own_words(turn: ClientTurn, seed: int) -> str:
    """What the client says; the first words are the profile's."""
    if not turn.messages:
        return turn.profile.first_words
    chance = random.Random(f"{seed}:{turn.profile.id}:{turn.number}")
    said = [m.content for m in turn.messages if m.role == "client"]
    table = reactions(turn.profile.lang)
    sentence = _sentence(turn, said, chance)
    if any(sentence in one for one in said):
        again = chance.choice(table.again)
        sentence = again + (
            sentence[0].lower() + sentence[1:] if again.endswith(": ") else sentence
        )
    reaction = _reaction(turn, table, said, chance)
    return reaction + table.joined + sentence if reaction else sentence


def _sentence(turn: ClientTurn, said: Sequence[str], chance: random.Random) -> str:
    """One that was not said yet; where all were, the one that was said longest ago."""
    pool = turn.profile.pool(turn.stance)
    new = [one for one in pool if not any(one in before for before in said)]
    if new:
        return chance.choice(new)
    return min(pool, key=lambda one: max(i for i, before in enumerate(said) if one in before))


def _reaction(
    turn: ClientTurn, table: Reactions, said: Sequence[str], chance: random.Random
) -> str | None:
    heard = turn.heard or frozenset()
    to: Reaction = next((one for one in FIRST_HEARD if one in heard), "nothing")
    # Drawn whether it is used or not, so that the draws after it stay the same.
    silent = chance.random() >= REACTS
    phrases = [one for one in table.reactions[to] if not said[-1].startswith(one)]
    phrase = chance.choice(phrases or table.reactions[to])
    if turn.stance in CLOSING or turn.stance == "disengaging":
        return None
    return None if silent and to not in ALWAYS else phrase
