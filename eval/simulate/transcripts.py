"""Talks as dialogues: what the judge codes and the experts' workspace imports.

What a talk was, and who answered, stands in ``meta``; the workspace keeps ``meta.system``,
``meta.pair`` and ``meta.match_id`` on the server and shows raters the messages alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from eval.simulate.talk import Talk
from mi_arena.dialogue import Dialogue

SOURCE = "simulated"
LeftOut = Literal["crisis", "silent"]


def match_id(talk: Talk, made_by: Mapping[str, Any]) -> str:
    """One for all systems that talk to this client under the same settings, ``made_by``."""
    of = talk.profile.model_dump()
    return f"sim-match-{_digest([of, dict(made_by)])}"


def left_out(talk: Talk) -> LeftOut | None:
    """Why a talk is none for raters: a sign of danger in it, or a counsellor that was silent."""
    if talk.ended == "crisis":
        return "crisis"
    return "silent" if talk.silent else None


def dialogue(talk: Talk, pair: str, match: str, told: Mapping[str, Any]) -> Dialogue:
    """A talk that has ended; ``told`` is what its ``meta`` says of the whole run.

    Neither the dialogue's id nor the match's says which system it is of.
    """
    of = talk.profile
    assert talk.ended is not None
    return Dialogue.model_validate(
        {
            "id": f"sim-{_digest([match, talk.system])}",
            "source": SOURCE,
            "lang": of.lang,
            "topic": of.topic,
            "change_goal": of.goal,
            "client": {
                "age": of.age,
                "sex": of.sex,
                "stage": of.stage,
                "importance": of.importance,
                "confidence": of.confidence,
                "resistance": of.resistance,
            },
            "messages": [{"role": m.role, "content": m.content} for m in talk.messages],
            "meta": {
                "system": talk.system,
                "pair": pair,
                "match_id": match,
                "profile": of.id,
                "ended": talk.ended,
                "flags": ["crisis"] if talk.ended == "crisis" else [],
                "start": {"readiness": talk.began.readiness, "engagement": talk.began.engagement},
                "rounds": [asdict(one) for one in talk.rounds],
                **told,
            },
        }
    )


def _digest(facts: object) -> str:
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
