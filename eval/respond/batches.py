"""Which replies are made together: prompts that begin alike share a text, long ones go first.

The plan follows from the prompts and the batch size alone, so that a run that was killed makes the
same batches again, and comes to the same sums. Deals in ids; knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.respond.replies import Key
from eval.respond.rounds import Round
from eval.respond.systems import System


@dataclass(frozen=True)
class Ask:
    """One reply that is wanted, laid out for the model."""

    round: Round
    system: System
    prompt: list[int]
    messages_left_out: int

    @property
    def key(self) -> Key:
        return self.round.dialogue_id, self.round.number, self.system.name


Family = Sequence[Ask]
"""Of one system; their prompts are beginnings of the longest one."""


def families(asks: Sequence[Ask]) -> list[list[Ask]]:
    """The rounds of one dialogue by one system, by the text they share; the longest comes first.

    There is one family, unless the context was too short: what lost its first messages doesn't
    begin as the others do.
    """
    found: list[list[Ask]] = []
    for ask in sorted(asks, key=lambda ask: -len(ask.prompt)):
        for family in found:
            if family[0].prompt[: len(ask.prompt)] == ask.prompt:
                family.append(ask)
                break
        else:
            found.append([ask])
    return found


def batches(every: Sequence[Family], most: int) -> list[list[Family]]:
    """Families in batches of at most ``most`` replies; a larger family is divided."""
    parts = [family[at : at + most] for family in every for at in range(0, len(family), most)]
    made: list[list[Family]] = []
    room = 0
    for part in sorted(parts, key=lambda part: -len(part[0].prompt)):
        if len(part) > room:
            made.append([])
            room = most
        made[-1].append(part)
        room -= len(part)
    return made
