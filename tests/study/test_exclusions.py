"""Which votes don't count: a table of cases, what must hold for any, and the alarm."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.study.exclusions import LIMITS, Vote, by_reason, excluded, jump


def vote(battle: str, rater: str = "ann", at: float = 1000.0, **more: Any) -> Vote:
    """An honest vote, three minutes after its battle began."""
    plain = Vote(
        battle=battle,
        rater=rater,
        role="public",
        at=at,
        began_at=at - 180,
        read_from=at - 30,
        letters=1200,
        talk=f"talk of {battle}",
        own_letters=80,
        verdict=f"verdict of {battle}",
    )
    return plain._replace(**more)


def test_honest_votes_all_count() -> None:
    assert excluded([vote(f"b{n}", f"r{n % 3}", at=1000 + 200 * n) for n in range(30)]) == {}


EARLIER = {"at": 900.0, "began_at": 700.0, "read_from": 890.0}


@pytest.mark.parametrize(
    ("second", "taken"),
    [
        ({"rater": "bob"}, {"b2"}),
        ({"rater": "bob", **EARLIER}, {"b1"}),  # the first to be judged counts
        ({"rater": "ann"}, set()),  # whoever tries the same thing twice may judge both
        ({"rater": "bob", "own_letters": LIMITS.own_letters - 1}, set()),
        ({"rater": "bob", "talk": "another"}, set()),
        ({"rater": "bob", "role": "expert"}, set()),
        ({"rater": "bob", "role": "admin"}, set()),
    ],
)
def test_the_talk_of_somebody_else(second: dict[str, Any], taken: set[str]) -> None:
    first, again = vote("b1", talk="the same"), vote("b2", at=1100.0, talk="the same")
    assert excluded([again._replace(**second), first]) == dict.fromkeys(taken, "same_talk")


@pytest.mark.parametrize(
    ("more", "fast"),
    [
        ({}, False),
        ({"read_from": 1000 - LIMITS.form_seconds}, False),
        ({"read_from": 1000 - LIMITS.form_seconds + 0.01}, True),
        ({"letters": 180 * 60}, False),
        ({"letters": 180 * 60 + 1}, True),
        ({"began_at": 1000.0, "letters": 0}, False),
        ({"began_at": 1001.0, "letters": 1}, True),  # a clock that was set back
    ],
)
def test_faster_than_anybody_reads(more: dict[str, Any], fast: bool) -> None:
    assert excluded([vote("b1", **more)]) == ({"b1": "too_fast"} if fast else {})


@pytest.mark.parametrize(
    ("n", "apart", "taken"),
    [
        (LIMITS.flood - 1, 1, 0),
        (LIMITS.flood, 1, LIMITS.flood),
        (25, 1, 25),
        (LIMITS.flood, 66, LIMITS.flood),  # 594 seconds from the first to the last
        (LIMITS.flood, 67, 0),
        (30, 67, 0),
    ],
)
def test_many_equal_verdicts_in_a_short_time(n: int, apart: int, taken: int) -> None:
    votes = [vote(f"b{i}", at=5000.0 + apart * i, verdict="A") for i in range(n)]
    assert by_reason(excluded(votes)) == ({"flood": taken} if taken else {})
    # Different raters, or different verdicts, are no flood.
    assert excluded([v._replace(rater=v.battle) for v in votes]) == {}
    assert excluded([v._replace(verdict=v.battle) for v in votes]) == {}


def test_only_the_flood_goes() -> None:
    flood = [vote(f"b{i}", at=5000.0 + i, verdict="A") for i in range(LIMITS.flood)]
    calm = [vote(f"c{i}", at=90_000.0 + 1000 * i, verdict="A") for i in range(3)]
    assert set(excluded(flood + calm)) == {v.battle for v in flood}


@given(st.permutations([vote(f"b{i}", f"r{i % 2}", at=1000.0 + i, talk="x") for i in range(6)]))
def test_the_order_of_reading_does_not_matter(votes: list[Vote]) -> None:
    assert excluded(votes) == {"b1": "same_talk", "b3": "same_talk", "b5": "same_talk"}


@pytest.mark.parametrize(
    ("before", "latest", "alarm"),
    [
        ((0, 500), (0, 50), False),
        ((0, 500), (3, 50), True),
        ((10, 500), (2, 50), False),
        ((10, 500), (20, 50), True),
        ((80, 500), (15, 50), False),
        ((80, 500), (19, 50), True),
        ((250, 500), (0, 50), False),  # a share that falls is no alarm
        # Rules are applied on reading: one that is broken takes the votes of before too.
        ((500, 500), (50, 50), True),
        ((20, 20), (50, 50), True),
        ((450, 500), (45, 50), True),
        ((250, 500), (25, 50), True),
        ((90, 500), (9, 50), False),
        ((0, 0), (0, 19), False),
        ((0, 0), (19, 19), False),  # too few to say anything
        ((0, 0), (13, 30), True),
        ((0, 0), (12, 30), False),
    ],
)
def test_the_alarm(before: tuple[int, int], latest: tuple[int, int], alarm: bool) -> None:
    flags = [i < hits for hits, n in (before, latest) for i in range(n)]
    found = jump(flags)
    assert found.alarm == alarm
    assert found.n_latest + found.n_before == len(flags)
    assert found.latest == (latest[0] / latest[1])


@given(st.integers(0, 300), st.integers(20, 300))
def test_a_rule_that_takes_everything_is_always_an_alarm(before: int, latest: int) -> None:
    assert jump([True] * (before + latest)).alarm


def test_no_judgements_are_no_alarm() -> None:
    assert jump([]).alarm is False and jump([]).latest is None
