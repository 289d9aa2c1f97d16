"""What lines of predictions say together: nothing twice, no round missing, all systems in step.

Each check raises ``BadInput`` with the line that is wrong. The order of the lines plays no part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from eval.predictions import PredictionLine
from mi_arena.jobs.script import BadInput

Round = tuple[str, int]
"""A dialogue and the number of a round in it."""
Arms = Mapping[str, Mapping[Round, PredictionLine]]


def check_predictions(lines: Sequence[PredictionLine]) -> None:
    """Raises ``BadInput`` unless every system has answered the same rounds, each once."""
    _check_nothing_twice(lines)
    _check_rounds_complete(lines)
    _check_in_step(lines)
    _check_references(lines)


def _check_nothing_twice(lines: Sequence[PredictionLine]) -> None:
    seen: dict[tuple[str, str, str, int], PredictionLine] = {}
    for line in lines:
        first = seen.setdefault(line.prediction.key, line)
        if first is not line:
            raise BadInput(
                f"{line.place}: {_name(line)} stands at {first.place} already; keep one of the two"
            )


def _check_rounds_complete(lines: Sequence[PredictionLine]) -> None:
    dialogues: dict[tuple[str, str, str], list[PredictionLine]] = defaultdict(list)
    for line in lines:
        dialogues[line.prediction.key[:3]].append(line)
    for found in dialogues.values():
        for wanted, line in enumerate(sorted(found, key=lambda one: one.prediction.round), 1):
            if line.prediction.round != wanted:
                raise BadInput(
                    f"{line.place}: {_name(line)} is here, but round {wanted} is missing; a "
                    "dialogue is scored whole, from round 1"
                )


def _check_in_step(lines: Sequence[PredictionLine]) -> None:
    """Of one pair, every system has answered what one has; told at a dialogue's first line."""
    pairs: dict[str, dict[str, dict[Round, PredictionLine]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for line in lines:
        one = line.prediction
        pairs[one.pair][one.arm][one.dialogue_id, one.round] = line
    for line in lines:
        one = line.prediction
        for arm, rounds in pairs[one.pair].items():
            if (one.dialogue_id, one.round) not in rounds:
                first = _first_of_dialogue(pairs[one.pair], one.arm, one.dialogue_id)
                raise BadInput(
                    f"{first.place}: pair {one.pair}, dialogue {one.dialogue_id}: {one.arm} "
                    f"answered round {one.round}, {arm} did not; all systems of a pair must answer "
                    "the same rounds"
                )


def _first_of_dialogue(arms: Arms, arm: str, dialogue: str) -> PredictionLine:
    """The first line in which ``arm`` answers the dialogue; lines keep their order."""
    return next(line for (name, _), line in arms[arm].items() if name == dialogue)


def _check_references(lines: Sequence[PredictionLine]) -> None:
    """Also over pairs: groups that stand side by side are measured against the same replies."""
    seen: dict[Round, PredictionLine] = {}
    for line in lines:
        one = line.prediction
        first = seen.setdefault((one.dialogue_id, one.round), line)
        if one.reference != first.prediction.reference:
            raise BadInput(
                f"{line.place}: {_name(line)}: its reference is another than at {first.place}; "
                "score predictions for different test sets one by one"
            )


def _name(line: PredictionLine) -> str:
    one = line.prediction
    return f"pair {one.pair}, {one.arm}, dialogue {one.dialogue_id}, round {one.round}"
