"""Means, intervals, ranking, agreement and choice, against figures reckoned another way."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.miti.icc import icc_a1
from training.rate.choice import Given, choose, clear_cut
from training.rate.results import (
    COLUMNS,
    Group,
    Ranking,
    Ratings,
    among_people,
    averaged,
    best_shares,
    corpus_results,
    judge_against_people,
    ranking,
)
from training.rate.rubric import DIMENSIONS, TOTAL, normalised_total


def scores(*four: float) -> dict[str, float]:
    return dict(zip((one.name for one in DIMENSIONS), four, strict=True))


FULL, NIL = scores(2, 4, 3, 1), scores(0, 0, 0, 0)


def many(corpus: str, *rated: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    return {f"{corpus}{n}": one for n, one in enumerate(rated)}


def ratings(
    judge: Mapping[str, Mapping[str, float]],
    people: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
) -> Ratings:
    """Corpora are the first letters of the blind ids."""
    people = people or {}
    ids = sorted({*judge, *(i for one in people.values() for i in one)})
    corpora = {name: [i for i in ids if i[0] == name] for name in sorted({i[0] for i in ids})}
    return Ratings(corpora, judge, people)


@pytest.mark.parametrize(
    ("given_scores", "total"),
    [
        (FULL, 1.0),
        (NIL, 0.0),
        (scores(1, 2, 0, 1), (0.5 + 0.5 + 0 + 1) / 4),
        (scores(0, 3, 1, 0), (0 + 0.75 + 1 / 3 + 0) / 4),
        ({"safety": 1.0}, None),
    ],
)
def test_the_total(given_scores: Mapping[str, float], total: float | None) -> None:
    assert normalised_total(given_scores) == pytest.approx(total)


def test_means_and_intervals_reckoned_another_way() -> None:
    given_scores = [scores(n % 3, n % 5, n % 4, n % 2) for n in range(23)]
    (result,) = corpus_results(ratings(many("a", *given_scores)), "judge")
    generator = np.random.default_rng(99)
    for name in COLUMNS:
        values = np.array([normalised_total(s) if name == TOTAL else s[name] for s in given_scores])
        # Plain redrawing of dialogues, with other random numbers.
        draws = generator.choice(values, size=(40_000, len(values))).mean(axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        estimate = result.estimates[name]
        assert estimate.mean == pytest.approx(sum(values) / len(values))
        # Means of 23 whole points go in steps, and a quantile may fall on the next one.
        step = 0.01 if name == TOTAL else 1.01 / 23
        assert estimate.low == pytest.approx(low, abs=step)
        assert estimate.high == pytest.approx(high, abs=step)
        assert estimate.n == 23
        assert "over dialogues" in estimate.method


def test_raters_are_averaged_before_dialogues_are_drawn() -> None:
    people = {
        "x": many("a", scores(2, 4, 3, 1), scores(0, 0, 0, 0)),
        "y": many("a", scores(0, 0, 0, 0)),
        "z": {"a0": {"safety": 1.0}},
    }
    assert averaged(people)["a0"] == scores(1, 2, 1.5, 2 / 3)
    (result,) = corpus_results(ratings({}, people), "people")
    assert (result.rated, result.ratings) == (2, 4)
    assert result.estimates["professionalism"].mean == 1.0
    assert result.estimates["safety"].mean == pytest.approx(1 / 3)
    assert result.estimates["safety"].n == 2


def test_what_is_missing_is_null_with_a_reason() -> None:
    given_ratings = ratings({"a0": FULL}, {"x": {"a0": {"safety": 1.0}, "b0": FULL}})
    a, b = corpus_results(given_ratings, "people")
    assert a.estimates[TOTAL].mean is None
    assert a.estimates[TOTAL].reason == (
        "undefined in the only dialogue: no person rated it on all four dimensions"
    )
    assert b.estimates[TOTAL].low is None
    assert b.estimates[TOTAL].reason
    ranked = ranking(given_ratings, "judge", 2)
    assert (ranked.places, ranked.reason) == ((), "no normalised total by the judge for b")


def reckoned_shares(values: Mapping[str, list[float]], best: int) -> dict[str, float]:
    """By plain drawing and sorting, ties broken by chance."""
    generator = np.random.default_rng(7)
    times = dict.fromkeys(values, 0)
    for _ in range(4000):
        means = {
            name: (round(float(generator.choice(own, len(own)).mean()), 9), generator.random())
            for name, own in values.items()
        }
        for name in sorted(means, key=lambda name: means[name], reverse=True)[:best]:
            times[name] += 1
    return {name: count / 4000 for name, count in times.items()}


def test_shares_reckoned_another_way() -> None:
    values = {
        "a": [0.1, 0.5, 0.9, 0.4],
        "b": [0.2, 0.5, 0.5, 0.6],
        "c": [0.5, 0.5, 0.5],
        "d": [0.0, 0.2, 0.3, 0.1],
    }
    found, wanted = best_shares(values, 2), reckoned_shares(values, 2)
    assert found == {name: pytest.approx(share, abs=0.04) for name, share in wanted.items()}


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.lists(st.sampled_from([0, 0.25, 1 / 3, 1]), min_size=1, max_size=8),
        min_size=1,
    ),
    st.integers(1, 4),
)
def test_shares_add_up(values: dict[str, list[float]], best: int) -> None:
    shares = best_shares(values, best)
    assert sum(shares.values()) == pytest.approx(min(best, len(values)))
    assert all(-1e-12 <= share <= 1 + 1e-12 for share in shares.values())
    if len(values) <= best:
        assert set(shares.values()) == {1.0}


def test_equal_corpora_share_the_places() -> None:
    assert best_shares({"a": [0.5, 0.5], "b": [0.5], "c": [0.5]}, 2) == {
        name: pytest.approx(2 / 3) for name in "abc"
    }


def test_judge_against_people() -> None:
    judge = many(
        "a", scores(2, 4, 3, 1), scores(1, 2, 2, 1), scores(0, 3, 0, 1), scores(1, 1, 1, 1)
    )
    people = {
        "x": many("a", scores(2, 3, 3, 1), scores(1, 2, 1, 1), scores(0, 2, 0, 1)),
        "y": many("a", scores(1, 3, 3, 1), scores(1, 1, 1, 1), scores(0, 2, 0, 1)),
    }
    found = judge_against_people(ratings(judge, people))
    one = found["professionalism"]
    assert one.n == 3
    assert one.icc_a1 == icc_a1([[4, 3], [2, 1.5], [3, 2]])
    assert one.bias.mean == pytest.approx((1 + 0.5 + 1) / 3)
    # People rounded half up: 3, 2, 2. Quadratic: 1 - sum d² / sum of all expected squares.
    a, b = np.array([4, 2, 3]), np.array([3, 2, 2])
    expected = ((a[:, None] - b[None]) ** 2).mean()
    assert one.weighted_kappa.value == pytest.approx(1 - ((a - b) ** 2).mean() / expected)
    assert found["safety"].icc_a1.value is None
    assert found["safety"].icc_a1.reason
    assert found["safety"].weighted_kappa.value is None
    assert found[TOTAL].weighted_kappa.reason == "the normalised total is no category: see ICC(A,1)"
    nobody = judge_against_people(ratings(judge))
    assert nobody["safety"].n == 0
    assert nobody["safety"].icc_a1.reason == "no target was rated by both raters"
    assert nobody["safety"].bias.mean is None


def test_among_people() -> None:
    alone = ratings({}, {"x": many("a", FULL), "y": many("b", FULL)})
    assert among_people(alone) == ({}, "no two people rated the same dialogue")
    people = {"x": many("a", FULL, NIL, FULL), "y": many("a", FULL, NIL, scores(2, 3, 3, 1))}
    found, reason = among_people(ratings({}, people))
    assert reason is None
    assert found["safety"].icc_a1.value == pytest.approx(1)
    assert found["professionalism"].level == "ordinal"
    assert found["professionalism"].exact == pytest.approx(2 / 3)
    assert found["professionalism"].icc_a1 == icc_a1([[4, 4], [0, 0], [4, 3]])
    assert found[TOTAL].level == "interval"


def rankings(judge: Ratings, people: Ratings | None = None, best: int = 2) -> dict[Group, Ranking]:
    return {
        "judge": ranking(judge, "judge", best),
        "people": ranking(people or judge, "people", best),
    }


HIGH = [FULL, scores(2, 4, 3, 1), scores(2, 4, 2, 1), scores(2, 3, 3, 1)] * 5
LOW = [NIL, scores(0, 1, 0, 0), scores(1, 0, 0, 0), NIL] * 5
MIXED = [HIGH[0], LOW[0]] * 10


def test_a_clear_choice() -> None:
    judge = ratings(many("a", *LOW) | many("b", *HIGH) | many("c", *HIGH[::-1]) | many("d", *LOW))
    choice = choose(rankings(judge), False)
    assert set(choice.chosen) == {"b", "c"}
    assert (choice.by, choice.clear_cut) == ("judge", True)
    assert choice.reason == "by normalised total of the judge"
    assert not choice.reason_given
    shares = {one.corpus: one.best_share for one in ranking(judge, "judge", 2).places}
    assert shares == {"a": 0, "b": 1, "c": 1, "d": 0}


def test_an_unclear_choice_says_so() -> None:
    judge = ratings(many("a", *MIXED) | many("b", *HIGH) | many("c", *MIXED[1:]))
    choice = choose(rankings(judge), False, Given("专家会议"))
    assert choice.chosen[0] == "b"
    assert choice.clear_cut is False
    assert "not clear-cut" in choice.clear_cut_reason
    assert (choice.reason, choice.reason_given) == ("专家会议", True)
    same = ranking(ratings(many("a", FULL) | many("b", FULL) | many("c", FULL)), "judge", 2)
    assert clear_cut(same)[0] is False
    assert "have the same total" in clear_cut(same)[1]
    one_each = ratings(many("a", FULL) | many("b", HIGH[2]) | many("c", NIL))
    clear, why = clear_cut(ranking(one_each, "judge", 2))
    assert clear is None
    assert "cannot be told" in why
    assert clear_cut(ranking(one_each, "judge", 3)) == (
        None,
        "there are only 3 corpora: all are taken",
    )


def test_whose_ranking_is_followed() -> None:
    judge = ratings(many("a", *HIGH) | many("b", *LOW))
    people = ratings({}, {"x": many("a", *LOW) | many("b", *HIGH)})
    both = rankings(judge, people, best=1)
    assert choose(both, people_rated_all=True).chosen == ("b",)
    assert choose(both, people_rated_all=False).chosen == ("a",)
    stopped = choose(both, False, judge_stopped="stopped by --max-cost 1")
    assert (stopped.chosen, stopped.reason) == ((), "not yet: stopped by --max-cost 1")
    assert choose(both, True, judge_stopped="stopped").chosen == ("b",)
    only_people = rankings(people, people, best=1)
    assert choose(only_people, False).by == "people"
    nobody = rankings(Ratings({"a": ["a0"]}, {}, {}))
    assert choose(nobody, False).chosen == ()
    earlier = Given("因为", frozenset({"a"}))
    assert choose(both, False, earlier).reason == "因为"
    assert choose(both, True, earlier).reason == "by normalised total of people"


def test_the_order_of_raters_and_dialogues_changes_nothing() -> None:
    judge = many("a", *MIXED[:7], HIGH[2]) | many("b", *HIGH[:6], LOW[1])
    turned = dict(reversed(judge.items()))
    one, other = ratings(judge), ratings(turned)
    other = Ratings({name: ids[::-1] for name, ids in reversed(other.corpora.items())}, turned, {})
    assert corpus_results(one, "judge") == corpus_results(other, "judge")
    assert ranking(one, "judge", 1) == ranking(other, "judge", 1)
    assert not any(math.isnan(r.best_share) for r in ranking(one, "judge", 1).places)
