"""Replies are seen in checked sentence pieces, in step; what does harm is never shown or kept."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.access.identity import Identity
from mi_arena.battles.arena import Arena
from mi_arena.battles.live import LiveTurn, store_replies, watch
from mi_arena.battles.refusal import Refused
from mi_arena.battles.releasing import Release, piece_ends
from mi_arena.battles.state import replay
from mi_arena.engine.protocol import Arm, Snapshot, Turn
from mi_arena.records.battle_events import BattleEnded, ClientSaid, ReplyWithheld
from mi_arena.records.events import Event
from mi_arena.records.incidents import incidents
from tests.battles.test_arena import refused, started, talk

HARM = "你这是抑郁症，每天吃两片舍曲林。"


def moment(base: str, tuned: str, ended: str = "", done: bool = False) -> Snapshot:
    texts: Mapping[Arm, str] = {"base": base, "tuned": tuned}
    ends = {arm: "stop" if arm in ended or done else None for arm in texts}
    return Snapshot(texts, ends, None, False, done, None)  # type: ignore[arg-type]


def test_pieces_end_at_sentences() -> None:
    assert piece_ends("你好。想聊什么", False) == [3]
    assert piece_ends("你好。想聊什么", True) == [3, 7]
    assert piece_ends("It is 3.5 km. So", False) == [13]
    assert piece_ends("“好！”她说", False) == [4]
    assert piece_ends("", True) == []
    long = "一" * 100 + "，" + "二" * 10
    assert piece_ends(long, False) == [101]


def test_both_sides_show_as_many_pieces_as_both_have() -> None:
    release = Release()
    assert release.take(moment("听起来很难。您", "嗯")) is None
    assert release.texts == {"base": "", "tuned": ""}
    assert release.take(moment("听起来很难。您想戒。还有", "嗯，我听到了。那")) is None
    assert release.texts == {"base": "听起来很难。", "tuned": "嗯，我听到了。"}
    assert release.take(moment("听起来很难。您想戒。还有", "嗯，我听到了。那好", "tuned")) is None
    assert release.texts == {"base": "听起来很难。您想戒。", "tuned": "嗯，我听到了。那好"}
    assert release.take(moment("听起来很难。您想戒。还有", "嗯，我听到了。那好", done=True)) is None
    assert release.texts == {"base": "听起来很难。您想戒。还有", "tuned": "嗯，我听到了。那好"}


def test_harm_takes_everything_back() -> None:
    release = Release()
    release.take(moment("您好。", "您好。"))
    found = release.take(moment("您好。" + HARM, "您好。我在听。"))
    assert found is not None and found[0] == "base"
    assert release.texts == {"base": "", "tuned": ""}


sentences = st.lists(
    st.sampled_from(["您想戒烟。", "嗯", "为什么呢？", "好。", "a. b "]), max_size=6
)


@given(sentences, sentences, st.integers(0, 30), st.integers(0, 30))
@settings(deadline=None)
def test_what_is_released_was_written_and_only_grows(
    base: list[str], tuned: list[str], first: int, second: int
) -> None:
    one, other = "".join(base), "".join(tuned)
    release = Release()
    release.take(moment(one[:first], other[:second]))
    before = dict(release.texts)
    release.take(moment(one, other, done=True))
    assert release.texts == {"base": one, "tuned": other}
    assert one.startswith(before["base"]) and other.startswith(before["tuned"])


def answering(arena: Arena, who: Identity, text: str = "我很难过") -> tuple[str, LiveTurn]:
    """A battle with a client turn, and a turn whose replies the test writes."""
    token = started(arena, who)
    begun = next(iter(arena.store.events("battle_started")))
    battle = begun.payload.battle  # type: ignore[attr-defined]
    said = ClientSaid(battle=battle, round=1, text=text)
    arena.store.append(Event.of(said, role="public", epoch=begun.epoch, rater=who.rater))
    return token, again(arena, battle)


def again(arena: Arena, battle: str) -> LiveTurn:
    state = replay(arena.store.events(battle=battle))
    assert state is not None
    live = LiveTurn(state, Turn(), 1, "public")
    arena._live[battle] = live
    return live


def answer(arena: Arena, live: LiveTurn, base: str, tuned: str) -> None:
    live.turn.publish({"base": base, "tuned": tuned})
    live.turn.finish()
    battle = live.state.started.battle
    watch(live, arena.store, lambda: arena._forget(battle, live))


def test_a_harmful_reply_is_withheld_on_both_sides_and_the_round_offered_once_more(
    arena: Arena, rater: Identity
) -> None:
    token, live = answering(arena, rater)
    battle = live.state.started.battle
    answer(arena, live, HARM, "我在听。")
    view = arena.view(rater, token)
    assert view.phase == "interrupted" and view.withheld and view.rounds[0].replies is None
    (withheld,) = arena.store.events("reply_withheld")
    assert isinstance(withheld.payload, ReplyWithheld)
    assert withheld.payload.source == live.state.side_of("base")
    kept = "".join(event.model_dump_json() for event in arena.store.events(battle=battle))
    assert HARM not in kept and "我在听" not in kept
    answer(arena, again(arena, battle), "我在听。", "您慢慢说。")
    view = arena.view(rater, token)
    assert view.phase == "open" and not view.withheld and view.complete_rounds == 1
    state = replay(arena.store.events(battle=battle))
    assert state is not None
    for arm in ("base", "tuned"):
        assert HARM not in str(state.history(arm, None))  # type: ignore[arg-type]


def test_the_second_time_the_battle_ends(arena: Arena, rater: Identity) -> None:
    token, live = answering(arena, rater)
    battle = live.state.started.battle
    for turn in (live, None):
        answer(arena, turn or again(arena, battle), "我在听。", HARM)
    view = arena.view(rater, token)
    assert view.phase == "ended" and view.withheld
    with refused("not_open"):
        arena.say(rater, token, "你好")
    assert [one[:4] for one in incidents(arena.store)] == [("model_gives_dose", "model", "zh", 2)]


def test_nothing_of_it_is_seen_while_it_runs_or_cannot_be_stored(
    arena: Arena, rater: Identity
) -> None:
    token, live = answering(arena, rater)
    live.turn.publish({"base": "您好。" + HARM, "tuned": "您好。嗯。"})
    live.look(live.turn.snapshot())
    assert live.turn.cancelled
    view = arena.view(rater, token)
    assert view.rounds[0].replies is not None
    assert {one.text for one in view.rounds[0].replies.values()} == {""}
    live.turn.finish()
    with arena.store.transaction():
        watch(live, arena.store, lambda: None)
    view = arena.view(rater, token)
    assert view.phase == "unsaved" and view.rounds[0].replies is not None
    assert {one.text for one in view.rounds[0].replies.values()} == {""}
    store_replies(live, arena.store)
    store_replies(live, arena.store)
    assert arena.store.count("reply_withheld") == 1


def test_what_is_not_yet_checked_is_not_seen(arena: Arena, rater: Identity) -> None:
    token, live = answering(arena, rater)
    live.turn.publish({"base": "听起来很难。您", "tuned": "嗯，我在听"})
    live.look(live.turn.snapshot())
    view = arena.view(rater, token)
    assert view.rounds[0].replies is not None
    assert {one.text for one in view.rounds[0].replies.values()} == {""}
    live.turn.cancel()
    live.turn.finish()
    arena._forget(live.state.started.battle, live)


@pytest.mark.parametrize("text", ["我今年15岁，想戒烟", "I am 15"])
def test_who_is_under_age_is_told_and_nothing_more_is_stored(
    arena: Arena, rater: Identity, text: str
) -> None:
    token = started(arena, rater)
    talk(arena, rater, token, "我想戒烟")
    arena.say(rater, token, text)
    view = arena.view(rater, token)
    assert view.phase == "ended" and view.minor and view.crisis_category is None
    assert len(view.rounds) == 1
    assert text not in "".join(event.model_dump_json() for event in arena.store.events())
    (ended,) = arena.store.events("battle_ended")
    assert isinstance(ended.payload, BattleEnded) and ended.payload.reason == "minor"
    with pytest.raises(Refused):
        arena.say(rater, token, "为什么")
    assert ("minor", "client", "zh", 1) in incidents(arena.store)


def test_a_minor_in_danger_gets_help_for_both(arena: Arena, rater: Identity) -> None:
    token = started(arena, rater)
    arena.say(rater, token, "我15岁，我想自杀")
    view = arena.view(rater, token)
    assert view.phase == "crisis" and view.minor and view.crisis_category == "self_harm"
    assert view.rounds == [] and arena.store.count("client_said") == 0
