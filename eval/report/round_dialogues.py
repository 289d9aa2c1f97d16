"""Replies to a test set as dialogues that a judge can code: gold client turns, a system's answers.

The client of such a dialogue answers the reference counsellor, not the system: codes of single
replies are to the point, and globals say less than those of talks that really took place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from eval.predictions import Prediction
from eval.respond.rounds import Round
from mi_arena.dialogue import Dialogue, Message
from mi_arena.jobs.script import BadInput

SETTING = "test_rounds"
"""What ``meta.setting`` of such a dialogue says, and so that of its coding."""


def round_dialogues(rounds: Iterable[Round], replies: Iterable[Prediction]) -> Iterator[Dialogue]:
    """A dialogue for each pair, system and dialogue of the test set, as they first come.

    Neither its id nor its words say which system answered; ``meta`` does, and no judge sees it.
    Raises ``BadInput`` for replies to rounds that the test set doesn't have.
    """
    asked = {(one.dialogue_id, one.number): one for one in rounds}
    answers: dict[tuple[str, str, str], dict[int, Prediction]] = {}
    for reply in replies:
        if asked.get((reply.dialogue_id, reply.round)) is None:
            raise BadInput(
                f"--data: has no round {reply.round} of dialogue {reply.dialogue_id!a}, which a "
                "prediction answers: give the test set that the predictions were made on"
            )
        own = answers.setdefault((reply.pair, reply.arm, reply.dialogue_id), {})
        own[reply.round] = reply
    for (pair, system, name), own in answers.items():
        last = asked[name, max(own)]
        yield _dialogue(pair, system, last, [own[number].prediction for number in sorted(own)])


def _dialogue(pair: str, system: str, last: Round, replies: Sequence[str]) -> Dialogue:
    opening = last.history[:1] if last.history[0].role == "counselor" else ()
    clients = [message for message in last.history if message.role == "client"]
    spoken = [
        message
        for client, reply in zip(clients, replies, strict=True)
        for message in (client, Message(role="counselor", content=reply))
    ]
    facts: Mapping[str, str] = {"system": system, "pair": pair, "dialogue_id": last.dialogue_id}
    return Dialogue(
        id=f"rounds-{_digest([pair, system, last.dialogue_id])}",
        source="test_set",
        lang=last.lang,
        messages=[*opening, *spoken],
        meta={
            **facts,
            "opening": bool(opening),
            "match_id": f"rounds-match-{_digest([pair, last.dialogue_id])}",
            "setting": SETTING,
        },
    )


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()[:16]
