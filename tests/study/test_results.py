from dataclasses import fields, replace
from typing import Any

import pytest

from mi_arena.study.results import BattleCount, JudgementRow, ResultsTable, results_table
from mi_arena.study.statistics import Interval, wilson

SHARES = [
    "tuned_wins_first",
    "tuned_wins_all",
    "ties",
    "both_unacceptable",
    "a_wins",
    "correct_guesses",
]


def row(battle: int, rater: str, overall: str, tuned: str, **more: Any) -> JudgementRow:
    plain = JudgementRow(
        battle=f"b{battle}",
        rater=rater,
        role="public",
        pair="demo",
        topic="smoking",
        epoch="e1",
        overall=overall,
        tuned_side=tuned,
        guess=None,
        ordinal=1,
    )
    return plain._replace(**more)


ROWS = [
    row(1, "ann", "A", "A", guess="A"),
    row(2, "ann", "A", "B", ordinal=2, guess="A"),
    row(3, "ann", "B", "B", ordinal=3, topic="diet"),
    row(4, "bob", "tie", "A", guess="B"),
    row(5, "bob", "A", "B", ordinal=2),
    row(6, "cho", "both_unacceptable", "A"),
    row(7, "dee", "B", "B", guess="B"),
    row(8, "dee", "tie", "B", ordinal=2, topic="diet"),
    row(9, "eve", "A", "B", role="expert", topic="diet"),
    row(10, "adm", "A", "A", role="admin"),
]
COUNTS = [
    BattleCount("public", "smoking", "A", "judged", 3),
    BattleCount("public", "smoking", "B", "judged", 3),
    BattleCount("public", "diet", "B", "judged", 2),
    BattleCount("public", "smoking", "A", "unjudged", 4),
    BattleCount("public", "diet", "B", "unjudged", 5),
    BattleCount("public", "diet", "A", "flagged", 1),
    BattleCount("public", "diet", "A", "withdrawn", 2),
    BattleCount("expert", "diet", "B", "judged", 1),
]


def table(**choice: Any) -> ResultsTable:
    plain: dict[str, Any] = {"epoch": "e1", "role": "public", "minimum": 1}
    return results_table(ROWS, COUNTS, **plain | choice)


def share(interval: Interval) -> tuple[float | None, int]:
    return interval.value, interval.n


def test_counts_of_the_public() -> None:
    found = table()
    assert (found.epoch, found.pair, found.topic, found.role) == ("e1", "demo", None, "public")
    assert (found.judgements, found.raters, found.battles) == (8, 4, 18)
    assert (found.flagged, found.withdrawn) == (1, 2)
    assert found.unjudged == {"A": 4, "B": 5}


def test_shares_of_the_public() -> None:
    found = table()
    # Decisive: ann 2 tuned of 3, bob 0 of 1, dee 1 of 1; of them first: ann 1 of 1, dee 1 of 1.
    assert share(found.tuned_wins_all) == (3 / 5, 5)
    assert share(found.tuned_wins_first) == (1.0, 2)
    assert share(found.ties) == (2 / 8, 8)
    assert share(found.both_unacceptable) == (1 / 8, 8)
    assert share(found.a_wins) == (3 / 5, 5)
    assert share(found.correct_guesses) == (2 / 4, 4)
    assert found.tuned_wins_all.raters == 4
    assert (found.ties.low, found.ties.high) == (wilson(2, 8).low, wilson(2, 8).high)
    assert "first judgements" in found.tuned_wins_first.method


def test_one_topic_and_experts_apart() -> None:
    diet = table(topic="diet")
    assert (diet.judgements, diet.raters, diet.battles) == (2, 2, 8)
    assert share(diet.tuned_wins_all) == (1.0, 1)
    assert diet.unjudged == {"A": 0, "B": 5}
    experts = table(role="expert")
    assert (experts.judgements, experts.raters, experts.battles) == (1, 1, 1)
    assert share(experts.tuned_wins_all) == (0.0, 1)
    assert share(experts.tuned_wins_first) == (0.0, 1)


def test_a_first_judgement_stays_the_first_of_its_epoch_within_a_topic() -> None:
    """Ann's only judgement on diet is her third: she knew the style by then."""
    diet = table(topic="diet")
    assert share(diet.tuned_wins_first) == (None, 0)
    assert diet.tuned_wins_first.reason == "no decisive judgement"


def test_below_the_minimum_shares_are_withheld_and_counts_are_not() -> None:
    found, told = table(minimum=9), table(minimum=8)
    for name in SHARES:
        interval = getattr(found, name)
        assert (interval.value, interval.low, interval.high) == (None, None, None)
        assert interval.reason == "fewer than 9 judgements"
        assert interval.n == 8
    # Eight judgements are enough for what rests on all of them, not for what rests on fewer.
    assert told.ties.value is not None and told.both_unacceptable.value is not None
    assert told.tuned_wins_first.value is None
    assert told.tuned_wins_first.reason == "fewer than 8 judgements"
    assert [(f.name, getattr(found, f.name)) for f in fields(found) if f.name not in SHARES] == [
        (f.name, getattr(replace(told, minimum=9), f.name))
        for f in fields(told)
        if f.name not in SHARES
    ]


def test_nothing_judged_yet() -> None:
    found = results_table([], COUNTS, epoch="e1", role="public", minimum=0)
    assert (found.judgements, found.raters, found.battles, found.pair) == (0, 0, 18, None)
    reasons = {name: getattr(found, name).reason for name in SHARES}
    assert reasons == {
        "tuned_wins_first": "no decisive judgement",
        "tuned_wins_all": "nothing decided",
        "ties": "no judgement",
        "both_unacceptable": "no judgement",
        "a_wins": "no decisive judgement",
        "correct_guesses": "no guess given",
    }
    assert all(getattr(found, name).value is None for name in SHARES)


def test_only_ties_leave_the_win_rate_undefined_and_not_zero() -> None:
    rows = [row(n, f"r{n}", "tie", "A") for n in range(3)]
    found = results_table(rows, [], epoch="e1", role="public", minimum=1)
    assert found.tuned_wins_all.value is None
    assert found.a_wins.value is None
    assert found.ties.value == 1.0


def test_epochs_and_pairs_are_never_pooled() -> None:
    with pytest.raises(ValueError, match="not pooled"):
        results_table([row(1, "ann", "A", "A", epoch="e2")], [], epoch="e1", role="public")
    with pytest.raises(ValueError, match="one pair"):
        results_table([*ROWS, row(99, "ann", "A", "A", pair="x")], [], epoch="e1", role="public")


def test_which_side_the_tuned_arm_sat_on_does_not_change_its_win_rate() -> None:
    turned = {"A": "B", "B": "A"}
    rows = [
        r._replace(overall=turned.get(r.overall, r.overall), tuned_side=turned[r.tuned_side])
        for r in ROWS
    ]
    one, other = table(), results_table(rows, COUNTS, epoch="e1", role="public", minimum=1)
    assert one.tuned_wins_all == other.tuned_wins_all
    assert one.tuned_wins_first == other.tuned_wins_first
    assert other.a_wins.value == pytest.approx(1 - (one.a_wins.value or 0))
