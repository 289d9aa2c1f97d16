from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mi_arena.records.battle_events import (
    BattleEnded,
    BattleFlagged,
    BattleStarted,
    EpochClosed,
    EpochOpened,
    Judgement,
    Withdrawn,
)
from mi_arena.records.events import Event
from mi_arena.records.payloads import Payload, Role
from mi_arena.records.results_query import (
    _BATTLES,
    _JUDGEMENTS,
    battle_counts,
    epochs,
    judgement_rows,
)
from mi_arena.records.store import EventStore
from mi_arena.study.results import BattleCount, JudgementRow, results_table


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return EventStore(tmp_path / "events.sqlite")


class Study:
    """Writes what a study would have written, one battle at a time."""

    def __init__(self, store: EventStore):
        self.store = store
        self.index = 0

    def append(
        self, payload: Payload, rater: str | None = None, epoch: str = "e1", role: Role = "public"
    ) -> Event:
        return self.store.append(Event.of(payload, role=role, epoch=epoch, rater=rater))

    def open(self, epoch: str, fingerprint: str) -> Event:
        beginning = EpochOpened(
            pair="demo",
            fingerprint=fingerprint * 64,
            served={},
            nonce="00" * 8,
            seed_commitment="b" * 64,
        )
        return self.append(beginning, epoch=epoch, role="admin")

    def battle(self, battle: str, rater: str, side: str = "A", **more: Any) -> None:
        beginning = BattleStarted.model_validate(
            {
                "battle": battle,
                "token_hash": "t",
                "pair": "demo",
                "topic": more.pop("topic", "diet"),
                "lang": "zh",
                "allocation_index": self.index,
                "tuned_side": side,
            }
        )
        self.index += 1
        self.append(beginning, rater, **more)

    def judge(self, battle: str, rater: str, overall: str = "A", **more: Any) -> None:
        verdict = Judgement.model_validate(
            {
                "battle": battle,
                "overall": overall,
                "guess": more.pop("guess", None),
                "rounds": 2,
                "ordinal": more.pop("ordinal", 1),
                "form_version": "1",
                "receipt_hash": "r",
            }
        )
        self.append(verdict, rater, **more)

    def flag(self, battle: str) -> None:
        for number in (1, 2):
            flag = BattleFlagged(
                battle=battle, round=number, category="x", source="client", terms=[]
            )
            self.append(flag)

    def withdraw(self, battle: str) -> None:
        self.append(Withdrawn(battle=battle, receipt_hash="r"))


@pytest.fixture
def study(store: EventStore) -> Study:
    study = Study(store)
    study.battle("b1", "ann", "B")
    study.judge("b1", "ann", "B", guess="A")
    study.battle("b2", "ann", topic="sleep")
    study.judge("b2", "ann", "tie", ordinal=2)
    study.battle("b3", "eve", role="expert")
    study.judge("b3", "eve", role="expert")
    study.battle("b4", "bob")
    study.judge("b4", "bob")
    study.withdraw("b4")
    study.battle("b5", "bob")
    study.judge("b5", "bob")
    study.flag("b5")
    study.battle("b6", "cho")
    study.battle("b7", "cho")
    study.flag("b7")
    study.withdraw("b7")
    study.battle("b8", "ann", epoch="e2")
    study.judge("b8", "ann", epoch="e2")
    return study


def test_rows_join_a_judgement_to_what_its_battle_hid(study: Study) -> None:
    assert sorted(judgement_rows(study.store, "e1")) == [
        JudgementRow("b1", "ann", "public", "demo", "diet", "e1", "B", "B", "A", 1),
        JudgementRow("b2", "ann", "public", "demo", "sleep", "e1", "tie", "A", None, 2),
        JudgementRow("b3", "eve", "expert", "demo", "diet", "e1", "A", "A", None, 1),
    ]
    assert [row.battle for row in judgement_rows(study.store, "e2")] == ["b8"]
    assert judgement_rows(study.store, "none") == []


def two_days_later() -> datetime:
    return datetime.now(UTC) + timedelta(days=2)


def test_a_battle_that_goes_on_is_not_yet_counted_as_left(study: Study) -> None:
    study.battle("b9", "dan", topic="sleep")
    study.append(BattleEnded(battle="b9", reason="start_over"))
    unjudged = {
        count.state: count.topic
        for count in battle_counts(study.store, "e1")
        if count.state in ("unjudged", "going_on")
    }
    assert unjudged == {"going_on": "diet", "unjudged": "sleep"}
    found = results_table([], battle_counts(study.store, "e1"), epoch="e1", role="public")
    assert (found.battles, found.unjudged) == (4, {"A": 1, "B": 0})


def test_what_a_closed_epoch_cut_off_was_left(study: Study) -> None:
    study.battle("b9", "ann", epoch="e2")
    study.append(EpochClosed(reason="admin"), epoch="e1", role="admin")
    states = {one.state for one in battle_counts(study.store, "e1")}
    assert "unjudged" in states and "going_on" not in states
    assert "going_on" in {one.state for one in battle_counts(study.store, "e2")}


def test_every_battle_is_counted_once(study: Study) -> None:
    """Withdrawn outranks flagged, which outranks judged."""
    assert battle_counts(study.store, "e1", two_days_later()) == [
        BattleCount("expert", "diet", "A", "judged", 1),
        BattleCount("public", "diet", "A", "flagged", 1),
        BattleCount("public", "diet", "A", "unjudged", 1),
        BattleCount("public", "diet", "A", "withdrawn", 2),
        BattleCount("public", "diet", "B", "judged", 1),
        BattleCount("public", "sleep", "A", "judged", 1),
    ]


def test_together_with_the_table(study: Study) -> None:
    found = results_table(
        judgement_rows(study.store, "e1"),
        battle_counts(study.store, "e1", two_days_later()),
        epoch="e1",
        role="public",
        minimum=1,
    )
    assert (found.battles, found.judgements, found.raters) == (4, 2, 1)
    assert (found.flagged, found.withdrawn, found.unjudged) == (1, 2, {"A": 1, "B": 0})
    assert found.tuned_wins_first.value == 1.0


def test_epochs_oldest_first(store: EventStore) -> None:
    study = Study(store)
    first, second = study.open("e1", "a"), study.open("e2", "b")
    closed = study.append(EpochClosed(reason="admin"), epoch="e1", role="admin")
    study.battle("b1", "ann", epoch="e2")
    study.battle("b2", "ann", epoch="e2")
    one, other = epochs(store)
    assert (one.id, one.pair, one.fingerprint, one.battles) == ("e1", "demo", "a" * 64, 0)
    assert (one.opened_at, one.closed_at) == (first.created_at, closed.created_at)
    assert (other.id, other.opened_at, other.closed_at) == ("e2", second.created_at, None)
    assert other.battles == 2


@pytest.mark.parametrize(
    ("query", "values"), [(_JUDGEMENTS, ("e1",)), (_BATTLES, ("2026-01-01", "e1"))]
)
def test_answered_from_indexes_alone(
    store: EventStore, query: str, values: tuple[str, ...]
) -> None:
    """What makes 100,000 judgements a matter of a second: no row of the table is opened."""
    with store.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
    searches = [row[3] for row in plan if row[3].startswith(("SEARCH", "SCAN"))]
    big = [search for search in searches if "_counted" in search]
    assert len(big) >= 2
    assert all("COVERING INDEX" in search for search in big)
    assert not any(search.startswith("SCAN") for search in searches)
