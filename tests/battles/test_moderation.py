"""The moderation model adds to the patterns; whatever it does wrong, they decide alone."""

from __future__ import annotations

import json
import time

import pytest
from pydantic import SecretStr

from mi_arena.access.identity import Identity
from mi_arena.battles.arena import Arena
from mi_arena.battles.live import watch
from mi_arena.battles.moderation import Moderator
from mi_arena.records.battle_events import BattleFlagged
from tests.battles.test_releasing import HARM, answering
from tests.llm.stand_in_llm import Behaviour, StandInLLM

QUIET = "没有人听得见"


def moderator(server: StandInLLM, patience: float = 3) -> Moderator:
    return Moderator(server.url, "guard", SecretStr("sk-test"), patience)


def answered_by(
    arena: Arena, rater: Identity, server: StandInLLM, tuned: str, patience: float = 3
) -> str:
    """A battle whose one client turn and replies the stand-in was asked about; its token."""
    token, live = answering(arena, rater, QUIET)
    live.turn.publish({"base": "我在听。", "tuned": tuned})
    live.turn.finish()
    second = moderator(server, patience)
    watch(
        live,
        arena.store,
        lambda: arena._forget(live.state.started.battle, live),
        second,
    )
    second.close()
    return token


def test_it_sees_danger_that_no_pattern_does(arena: Arena, rater: Identity) -> None:
    with StandInLLM(answer=lambda body: "self_harm") as server:
        token = answered_by(arena, rater, server, "嗯。")
        (arrival,) = server.arrivals
    assert arrival.authorization == "Bearer sk-test"
    assert arena.view(rater, token).crisis_category == "self_harm"
    (flagged,) = arena.store.events("battle_flagged")
    assert isinstance(flagged.payload, BattleFlagged)
    assert flagged.payload.terms == ["moderation"] and flagged.payload.source == "client"
    assert arena.store.count("replied") == 0


def test_it_withholds_a_reply(arena: Arena, rater: Identity) -> None:
    def answer(body: object) -> str:
        return "Model_Diagnoses." if "嗯" in json.dumps(body, ensure_ascii=False) else "safe"

    with StandInLLM(answer=answer) as server:
        token = answered_by(arena, rater, server, "嗯。")
    assert arena.view(rater, token).withheld and arena.store.count("replied") == 0


def test_it_never_overrules_a_pattern(arena: Arena, rater: Identity) -> None:
    with StandInLLM(answer=lambda body: "safe") as server:
        token = answered_by(arena, rater, server, HARM)
    assert arena.view(rater, token).withheld


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(status=500), Behaviour(status=401), Behaviour(close=True),
        Behaviour(cut_body=True), Behaviour(raw=b"{"), Behaviour(raw=b'{"choices": []}'),
        Behaviour(text="I think self_harm is likely"), Behaviour(text=""), Behaviour(stall=True),
    ],
)  # fmt: skip
def test_when_it_misbehaves_the_patterns_decide_alone(
    arena: Arena, rater: Identity, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    with StandInLLM(plan=lambda body, time: behaviour) as server:
        began = time.monotonic()
        token = answered_by(arena, rater, server, "嗯。", patience=0.3)
        assert time.monotonic() - began < 5
    assert arena.view(rater, token).complete_rounds == 1
    assert QUIET not in caplog.text and "sk-test" not in caplog.text


def test_nobody_waits_for_it_whom_a_pattern_sees(arena: Arena, rater: Identity) -> None:
    with StandInLLM(plan=lambda body, time: Behaviour(stall=True)) as server:
        arena._moderator = moderator(server)
        token = arena.start(rater, "smoking", None, "zh")
        arena.say(rater, token, "我想自杀")
        assert arena.view(rater, token).phase == "crisis"
        assert not server.arrivals
