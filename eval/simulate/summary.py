"""What came of the talks: how they ended, and how far each system moved its clients.

Pure: talks in, numbers out, each with its n, its interval and how that was made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eval.simulate.behaviours import BEHAVIOURS
from eval.simulate.talk import ENDINGS, Talk
from eval.simulate.transcripts import left_out
from mi_arena.study.estimates import estimates

CAUTION = (
    "Simulated clients are not people. Their readiness moves by rules of ours, from words that a "
    "table of patterns takes for reflections, questions, advice and so on: it says how a system "
    "talks, not whether it would help anybody."
)
_CRISIS = "the talk ended with a sign of danger"


def summary(talks: Mapping[str, Sequence[Talk]]) -> dict[str, Any]:
    """``talks``: by system, all with the same profiles in the same order."""
    systems = list(talks)
    against = "base" if "base" in talks else systems[0]
    return {
        "n_clients": len(talks[against]),
        "systems": {name: _of_system(one) for name, one in talks.items()},
        "differences": [
            {
                "system": name,
                "against": against,
                "readiness_change": _difference(talks, name, against),
            }
            for name in systems
            if name != against
        ],
        "caution": CAUTION,
    }


def change(talk: Talk) -> float:
    """Points of readiness from beginning to end; NaN where a sign of danger cut the talk."""
    if talk.ended == "crisis":
        return math.nan
    return round(talk.state.readiness - talk.began.readiness, 2)


def _of_system(talks: Sequence[Talk]) -> dict[str, Any]:
    rounds = [one for talk in talks for one in talk.rounds]
    done = Counter(behaviour for one in rounds for behaviour in one.behaviours)
    endings = Counter(talk.ended for talk in talks)
    (moved,) = estimates([[change(talk)] for talk in talks], [_CRISIS], "dialogue")
    return {
        "n": len(talks),
        "ended": {ending: endings[ending] for ending in ENDINGS},
        "rounds": len(rounds),
        "readiness_start": _mean([talk.began.readiness for talk in talks]),
        "readiness_end": _mean([talk.state.readiness for talk in talks]),
        "readiness_change": asdict(moved),
        "replies_with": {behaviour: done[behaviour] for behaviour in BEHAVIOURS},
        "replies_cut": sum(one.cut for one in rounds),
        "replies_refused": sum(one.refused for one in rounds),
        "histories_shortened": sum(one.messages_left_out > 0 for one in rounds),
        "client_turns_spare": sum(one.spare_words for one in rounds),
        "left_out": dict(Counter(why for talk in talks if (why := left_out(talk)))),
    }


def _difference(talks: Mapping[str, Sequence[Talk]], name: str, against: str) -> dict[str, Any]:
    pairs = zip(talks[name], talks[against], strict=True)
    (one,) = estimates([[change(a) - change(b)] for a, b in pairs], [_CRISIS], "match")
    return asdict(one)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)
