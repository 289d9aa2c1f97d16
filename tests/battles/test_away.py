"""Battles while the models have made room for a training run: nothing is lost, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_arena.access.identity import Identity
from mi_arena.battles.arena import Arena
from mi_arena.battles.form import Answers
from mi_arena.battles.refusal import Refused
from mi_arena.battles.view import BattleView
from mi_arena.engine.room import EngineRoom
from tests.battles.conftest import models_of
from tests.conftest import make_pair


def refused() -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda error: error.code == "away")


def talk(arena: Arena, who: Identity, token: str, text: str) -> BattleView:
    arena.say(who, token, text)
    *_, view = arena.follow(who, token, 0)
    return view


def test_nothing_is_begun_or_said_while_they_are_away(arena: Arena, rater: Identity) -> None:
    assert not arena.offer.away
    token = arena.start(rater, "smoking", None, "zh")
    talk(arena, rater, token, "我想戒烟")
    models_of(arena).pause()
    before = arena.store.count()

    assert arena.offer.away
    with refused():
        arena.say(rater, token, "可是压力大")
    view = arena.view(rater, token)
    assert view.away and view.phase == "open" and len(view.rounds) == 1
    assert arena.store.count() == before
    arena.give_up(rater, token)
    with refused():
        arena.start(rater, "smoking", None, "zh")
    assert arena.store.count("battle_started") == 1

    models_of(arena).resume()
    token = arena.start(rater, "smoking", None, "zh")
    assert talk(arena, rater, token, "可是压力大").complete_rounds == 1
    assert not arena.view(rater, token).away


def test_an_open_battle_is_found_again_and_can_be_judged(arena: Arena, rater: Identity) -> None:
    token = arena.start(rater, "smoking", None, "zh")
    for text in ("我想戒烟", "可是压力大"):
        talk(arena, rater, token, text)
    models_of(arena).pause()
    assert arena.start(rater, "smoking", None, "zh") == token
    arena.judge(rater, token, Answers(overall="A"))
    assert arena.view(rater, token).phase == "judged"


def test_signs_of_danger_come_first(arena: Arena, rater: Identity) -> None:
    token = arena.start(rater, "smoking", None, "zh")
    models_of(arena).pause()
    arena.say(rater, token, "我不想活了，想自杀")
    assert arena.view(rater, token).phase == "crisis"


def test_a_turn_that_came_too_late_can_be_tried_again(arena: Arena, rater: Identity) -> None:
    """Its words are stored already: they stay, and are answered when the models are back."""
    token = arena.start(rater, "smoking", None, "zh")
    models = models_of(arena)
    with models._changed:  # the engine's thread gets no further than to ask for its pair
        arena.say(rater, token, "我想戒烟")
        models.pause()
    *_, view = arena.follow(rater, token, 0)
    assert view.phase == "interrupted" and view.away
    with refused():
        arena.retry(rater, token)
    models.resume()
    arena.retry(rater, token)
    *_, view = arena.follow(rater, token, 0)
    assert view.phase == "open" and view.complete_rounds == 1


def test_only_pairs_that_are_here_are_drawn(
    arena: Arena, rater: Identity, pair_folders: tuple[Path, Path]
) -> None:
    other = make_pair(*pair_folders, name="elsewhere")
    arena.offer.add(other, EngineRoom(10**9, 2, 8).engine(other))
    models_of(arena).pause()
    assert not arena.offer.away
    for _ in range(8):
        arena.give_up(rater, arena.start(rater, "smoking", None, "zh"))
    begun = [event.payload for event in arena.store.events("battle_started")]
    assert {payload.pair for payload in begun} == {"elsewhere"}  # type: ignore[attr-defined]
