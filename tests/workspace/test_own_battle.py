"""The quick form after a battle: for its own rater, once it is judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Code, Refused
from mi_arena.battles.state import SIDES
from mi_arena.dialogue import Message
from mi_arena.records.payloads import Payload
from mi_arena.records.workspace_events import CodingSubmitted
from mi_arena.workspace.practising import is_trained
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    BO,
    CHIEF,
    EPOCH,
    VISITOR,
    append_battle,
    append_judgement,
    append_round,
    change,
    close_epoch,
    flagged,
    hand_in,
    said_by,
    tell,
    train,
    withdrawn,
)


def refused_with(workspace: Workspace, who: Identity, token: str) -> Code:
    with pytest.raises(Refused) as caught:
        workspace.own.job(who, token, "A")
    return caught.value.code


def test_both_sides_are_coded_apart_by_totals(workspace: Workspace) -> None:
    battle = append_battle(workspace.store, tuned_side="B")
    for number, side in enumerate(SIDES):
        job = workspace.own.job(VISITOR, "token-1", side)
        assert job.messages == tuple(
            message
            for round_ in (1, 2)
            for message in (
                Message(role="client", content=f"来访者{round_}"),
                Message(role="counselor", content=said_by(side, round_)),
            )
        )
        assert job.side == side
        change(workspace, job, do="count", code="Q", value=number)
        desk = hand_in(workspace, job, trained=False)
        assert desk.sheet.form == "quick" and desk.revision == 1
    told = [event.payload for event in workspace.store.events("coding_submitted", epoch=EPOCH)]
    for number, (side, one) in enumerate(zip(SIDES, told, strict=True)):
        assert isinstance(one, CodingSubmitted)
        assert (one.source, one.battle, one.side, one.form) == ("self", battle, side, "quick")
        assert one.dialogue == workspace.material.of_side(battle, side)
        assert one.assignment is None and one.filled.counts == {"Q": number}
    assert len(workspace.ledger.now().codings) == 2


def test_it_is_the_dialogue_that_experts_code_if_the_battle_is_drawn(workspace: Workspace) -> None:
    append_battle(workspace.store)
    jobs = [workspace.own.job(VISITOR, "token-1", side) for side in SIDES]
    workspace.material.draw_battles()
    dialogues = workspace.ledger.now().dialogues
    assert [job.source["dialogue"] for job in jobs] == list(dialogues)
    for job, material in zip(jobs, dialogues.values(), strict=True):
        assert job.messages == workspace.material.messages(material)


def test_a_client_turn_that_was_never_answered_is_not_in_it(workspace: Workspace) -> None:
    """As when the app was restarted during a turn and the battle was judged without it."""
    battle = append_battle(workspace.store, judged=False)
    append_round(workspace.store, battle, 3, ends=None)
    append_judgement(workspace.store, battle)
    job = workspace.own.job(VISITOR, "token-1", "A")
    assert [message.role for message in job.messages] == ["client", "counselor"] * 2


@pytest.mark.parametrize("who", [ANN, CHIEF, Identity("another visitor", "public")])
def test_a_battle_of_somebody_else_is_not_theirs_to_code(
    workspace: Workspace, who: Identity
) -> None:
    append_battle(workspace.store)
    assert refused_with(workspace, who, "token-1") == "not_yours"


@pytest.mark.parametrize("token", ["", "token-2"])
def test_a_token_of_nothing(workspace: Workspace, token: str) -> None:
    battle = append_battle(workspace.store)
    assert refused_with(workspace, VISITOR, token) == "no_battle"
    assert refused_with(workspace, VISITOR, battle) == "no_battle"  # the id is not the token


def test_not_before_it_is_judged(workspace: Workspace) -> None:
    battle = append_battle(workspace.store, judged=False)
    assert refused_with(workspace, VISITOR, "token-1") == "not_open"
    append_judgement(workspace.store, battle)
    assert workspace.own.job(VISITOR, "token-1", "A").owner == VISITOR.rater


@pytest.mark.parametrize("ended", [withdrawn, flagged])
def test_not_after_it_was_withdrawn_or_showed_danger(
    workspace: Workspace, ended: Callable[[str], Payload]
) -> None:
    battle = append_battle(workspace.store)
    hand_in(workspace, workspace.own.job(VISITOR, "token-1", "A"))
    tell(workspace.store, ended(battle), VISITOR, EPOCH)
    assert refused_with(workspace, VISITOR, "token-1") == "not_open"
    assert workspace.ledger.now().codings == {}


@pytest.mark.parametrize(
    ("who", "closed", "revealed"),
    [
        (VISITOR, False, True),
        (VISITOR, True, True),
        (ANN, False, False),
        (ANN, True, True),
        (CHIEF, False, True),
    ],
)
def test_whether_the_rater_knew_the_arms_is_stored(
    workspace: Workspace, who: Identity, closed: bool, revealed: bool
) -> None:
    append_battle(workspace.store, "token-1", who)
    close_epoch(workspace.store, "another epoch")
    if closed:
        close_epoch(workspace.store)
    hand_in(workspace, workspace.own.job(who, "token-1", "A"))
    (handed,) = workspace.ledger.now().latest()
    assert (handed.told.revealed, handed.role) == (revealed, who.role)


@pytest.mark.parametrize(("who", "trained"), [(ANN, True), (BO, False), (VISITOR, False)])
def test_whether_the_rater_had_passed_practice_is_stored(
    workspace: Workspace, who: Identity, trained: bool
) -> None:
    train(workspace.store, ANN)
    append_battle(workspace.store, "token-1", who)
    passed = is_trained(workspace.ledger.now(), who.rater)
    hand_in(workspace, workspace.own.job(who, "token-1", "A"), trained=passed)
    (handed,) = workspace.ledger.now().latest()
    assert handed.told.trained == trained
