"""From events to votes: what is taken of them, and that reading goes on where it was."""

from __future__ import annotations

from pathlib import Path

from mi_arena.records.battle_events import BattleStarted, ClientSaid, Judgement, Replied, Reply
from mi_arena.records.events import Event
from mi_arena.records.payloads import Payload
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.records.votes import Votes

OWN = "我想少喝一点酒，可是每次应酬都推不掉，回家又后悔，真不知道该怎么办才好。"


def reply(text: str) -> Reply:
    return Reply(
        text=text, end="stop", tokens=1, prompt_tokens=1, messages_left_out=0, token_seconds=[0.1]
    )


def battle(
    store: EventStore, name: str, rater: str, *said: str, starter: str | None = None
) -> None:
    """A battle that is talked through and judged within no time."""
    payloads: list[Payload] = [
        BattleStarted(
            battle=name,
            token_hash=name,
            pair="demo",
            topic="diet",
            starter=starter,
            lang="zh",
            allocation_index=store.count("battle_started"),
            tuned_side="A",
        )
    ]
    for number, text in enumerate(said, 1):
        payloads.append(ClientSaid(battle=name, round=number, text=text))
        sides = {"A": reply("嗯嗯"), "B": reply("好的，请说")}
        payloads.append(Replied(battle=name, round=number, sides=sides, seed=1))  # type: ignore[arg-type]
    payloads.append(
        Judgement(
            battle=name,
            overall="A",
            scales={"empathy": 1},
            reason="自由的话",
            rounds=len(said),
            ordinal=1,
            form_version="1",
            receipt_hash=name,
        )
    )
    store.append_all(Event.of(p, role="public", epoch="e1", rater=rater) for p in payloads)


def test_what_is_taken_of_a_battle(tmp_path: Path) -> None:
    store = EventStore(tmp_path / DATABASE_NAME)
    battle(store, "b1", "ann", "第一句", OWN)
    [vote] = Votes(store).of("e1")
    assert (vote.battle, vote.rater, vote.role) == ("b1", "ann", "public")
    assert vote.letters == 2 * (2 + 5) and vote.own_letters == 3 + len(OWN)
    assert vote.began_at <= vote.read_from <= vote.at
    assert "自由" not in vote.verdict and OWN not in str(vote)
    assert Votes(store).of("e2") == []
    store.close()


def test_the_same_words_are_the_same_talk_however_typed(tmp_path: Path) -> None:
    store = EventStore(tmp_path / DATABASE_NAME)
    votes = Votes(store)
    battle(store, "b1", "ann", "Hello there", OWN)
    assert votes.excluded("e1") == {"b1": "too_fast"}
    battle(store, "b2", "bob", " hello  THERE ", OWN.replace("，", "， "))
    battle(store, "b3", "cho", "hello", f"there {OWN}")
    first, second, third = votes.of("e1")
    assert first.talk == second.talk != third.talk
    assert votes.excluded("e1") == {"b1": "too_fast", "b2": "same_talk", "b3": "too_fast"}
    assert votes.flags("e1") == [True, True, True]
    store.close()


def test_a_starter_is_nobodys_own_words(tmp_path: Path) -> None:
    store = EventStore(tmp_path / DATABASE_NAME)
    for name, rater in (("b1", "ann"), ("b2", "bob")):
        battle(store, name, rater, OWN, "好的", starter="diet-1")
    assert [vote.own_letters for vote in Votes(store).of("e1")] == [2, 2]
    assert "same_talk" not in Votes(store).excluded("e1").values()
    store.close()
