from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict
from itertools import permutations
from typing import Any

import pytest

from mi_arena.study.match_results import MatchResults, VerdictRow, match_results
from mi_arena.study.statistics import bootstrap_over_raters

LATER_FIRST = ["tuned", "reference", "remote:b", "remote:a", "base_prompted", "base"]
"""Of any two of these, the one that stands earlier here is named first."""


def row(preferred: str, rater: str = "ann", match: str = "m", **more: Any) -> VerdictRow:
    plain = VerdictRow(match, "demo", "e1", frozenset({"base", "tuned"}), rater, preferred)
    return plain._replace(**more)


def only(rows: list[VerdictRow]) -> MatchResults:
    (found,) = match_results(rows)
    return found


def test_no_verdicts_give_no_tables() -> None:
    assert match_results([]) == ()


def test_counts_and_the_share_computed_once_more() -> None:
    chance = random.Random(3)
    rows = [
        row(chance.choice(["base", "tuned", "tuned", "tie", "both_unacceptable"]), rater, f"m{n}")
        for rater in ("ann", "bob", "cho", "dee")
        for n in range(chance.randint(3, 9))
    ]
    found = only(rows)
    counts = Counter(one.preferred for one in rows)
    assert (found.system, found.other) == ("tuned", "base")
    assert (found.preferred_system, found.preferred_other) == (counts["tuned"], counts["base"])
    assert (found.ties, found.both_unacceptable) == (counts["tie"], counts["both_unacceptable"])
    assert (found.verdicts, found.raters) == (len(rows), 4)
    assert found.matches == len({one.match for one in rows})
    per_rater = [
        [
            sum(one.rater == who and one.preferred == which for one in rows)
            for which in ("tuned", "base")
        ]
        for who in ("ann", "bob", "cho", "dee")
    ]
    assert found.share == bootstrap_over_raters(per_rater)
    assert found.share.n == counts["tuned"] + counts["base"] < len(rows)
    chance.shuffle(rows)
    assert only(rows) == found


def test_ties_and_both_unacceptable_decide_nothing() -> None:
    found = only([row("tie"), row("both_unacceptable", "bob")])
    assert (found.ties, found.both_unacceptable) == (1, 1)
    assert (found.share.value, found.share.reason) == (None, "nothing decided")


@pytest.mark.parametrize(("one", "two"), [*permutations(LATER_FIRST, 2)])
def test_which_of_two_systems_is_named_first(one: str, two: str) -> None:
    found = only([row(one, systems=frozenset({one, two}))])
    assert [found.system, found.other] == sorted((one, two), key=LATER_FIRST.index)
    counts = {found.system: found.preferred_system, found.other: found.preferred_other}
    assert counts == {one: 1, two: 0}


def test_pairs_epochs_and_systems_are_never_counted_together() -> None:
    reference = frozenset({"base", "reference"})
    rows = [
        row("tuned"),
        row("tuned", epoch="e2"),
        row("tuned", epoch=None),
        row("tuned", pair="other"),
        row("base", systems=reference),
    ]
    told = [(one.pair, one.epoch, one.system, one.verdicts) for one in match_results(rows)]
    assert told == [
        ("demo", None, "tuned", 1),
        ("demo", "e1", "reference", 1),
        ("demo", "e1", "tuned", 1),
        ("demo", "e2", "tuned", 1),
        ("other", "e1", "tuned", 1),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("tuned"), row("base")], "match m is judged twice by one rater"),
        ([row("reference")], "match m: reference is preferred but was not shown"),
        ([row("tuned", systems=frozenset({"tuned"}))], "match m is of 1 systems"),
        (
            [row("tuned", systems=frozenset({"tuned", "base", "reference"}))],
            "match m is of 3 systems",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_refused(rows: list[VerdictRow], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        match_results(rows)
    assert "\n" not in str(caught.value)


def test_a_table_names_nobody() -> None:
    assert "ann" not in str(asdict(only([row("tuned"), row("base", "bob")])))
