"""Why a record is not in a release. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from mi_arena.battles.state import BattleState
from mi_arena.records.payloads import Role
from mi_arena.safety.check import findings

Reason = Literal[
    "no_battle",
    "withdrawn",
    "crisis",
    "minor",
    "open_epoch",
    "admin",
    "not_judged",
    "crisis_found",
    "superseded",
    "taken_back",
    "practice",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
ABOUT: dict[Reason, str] = {
    "no_battle": "The beginning of its battle was lost, and with it what stood on which side.",
    "withdrawn": "Its rater took it back.",
    "crisis": "A sign of danger was seen while it was held.",
    "minor": "Its rater said then or later that they are under 18.",
    "open_epoch": "Its epoch is open: what stood on which side may not be told yet.",
    "admin": "An admin's trial; the study's tables don't count it either.",
    "not_judged": "It was left before it was judged, so its rater has no receipt to withdraw it "
    "with.",
    "crisis_found": "The patterns of the day of the release see a sign of danger in it.",
    "superseded": "The rater handed in a later one.",
    "taken_back": "The import it is about was taken back.",
    "practice": "Practice on dialogues whose codes are known.",
}


def reason_of_battle(state: BattleState, role: Role, *, closed: bool, young: bool) -> Reason | None:
    """The first reason that applies to a battle; ``None`` where it goes out.

    ``closed``: whether its epoch is. ``young``: whether its rater, in it or later, said that they
    are under age.
    """
    if state.withdrawn:
        return "withdrawn"
    if state.flagged is not None or (state.ended is not None and state.ended.reason == "crisis"):
        return "crisis"
    if young:
        return "minor"
    if not closed:
        return "open_epoch"
    if role == "admin":
        return "admin"
    if state.judgement is None:
        return "not_judged"
    written = [r.client for r in state.rounds]
    if state.judgement.reason:
        written.append(state.judgement.reason)
    return "crisis_found" if any(findings(text, "client") for text in written) else None
