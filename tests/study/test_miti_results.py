from __future__ import annotations

import random
from collections import defaultdict
from statistics import mean, stdev
from typing import Any

import pytest

from mi_arena.miti.agreement import Rating, agreement
from mi_arena.miti.coding import Coding, parse_coding
from mi_arena.miti.item_values import ITEMS, Item
from mi_arena.miti.items import CODES, GLOBALS, SCORES
from mi_arena.miti.summary import THRESHOLDS, summarize
from mi_arena.study.miti_results import (
    BARS,
    SOURCES,
    CodingRow,
    GroupResults,
    PairedDifferences,
    SystemResults,
    miti_results,
)
from mi_arena.study.statistics import wilson

FULL: dict[str, int] = {
    "GI": 4, "PERSUADE": 1, "PERSUADE_WITH": 2, "Q": 6, "SR": 4, "CR": 8, "AF": 3, "SEEK": 2,
    "EMPHASIZE": 1, "CONFRONT": 2,
}  # fmt: skip


def coding(cct: float | None = 3, sst: float | None = 3, **counts: int) -> Coding:
    rated = {"CCT": cct, "SST": sst, "PARTNERSHIP": 4, "EMPATHY": 3}
    return parse_coding({"globals": rated, "counts": FULL | counts})


def row(dialogue: str, rater: str = "ann", filled: Coding | None = None, **more: Any) -> CodingRow:
    """``m1/tuned`` is the dialogue of the tuned system in match m1; ``/tuned/2`` is in no match."""
    match, system, *_ = dialogue.split("/")
    plain = CodingRow(
        dialogue=dialogue,
        match=match or None,
        system=system,
        pair="demo",
        epoch="e1",
        source="expert",
        rater=rater,
        coding=filled or coding(),
    )
    return plain._replace(**more)


def group(rows: list[CodingRow]) -> GroupResults:
    (only,) = miti_results(rows).groups
    return only


def of_system(found: GroupResults, system: str) -> SystemResults:
    return next(one for one in found.systems if one.system == system)


def difference(found: GroupResults, system: str, minus: str) -> PairedDifferences:
    return next(one for one in found.differences if (one.system, one.minus) == (system, minus))


def random_coding(chance: random.Random) -> Coding:
    """Small counts and gaps, so that scores are often undefined."""
    globals_ = {key: chance.choice([None, 0, *range(1, 6), 3.5]) for key in GLOBALS}
    counts = {code: chance.choice([None, 0, 0, 1, 2, 5]) for code in CODES}
    return parse_coding(
        {"globals": globals_} | ({"counts": counts} if chance.random() < 0.9 else {})
    )


def random_rows(seed: int = 1, matches: int = 9) -> list[CodingRow]:
    chance = random.Random(seed)
    return [
        row(f"m{match}/{system}", rater, random_coding(chance))
        for match in range(matches)
        for system in ("base", "tuned", "base_prompted", "reference", "remote:b", "remote:a")
        for rater in chance.sample(["ann", "bob", "cho"], chance.randint(0, 3))
    ]


def test_no_rows_give_no_groups() -> None:
    assert miti_results([]).groups == ()


def test_items_are_the_globals_the_counts_and_the_scores() -> None:
    found = group([row("m1/tuned")])
    assert tuple(found.systems[0].items) == ITEMS == (*GLOBALS, *CODES, *SCORES)
    # By hand, from FULL: 8/12, 12/6, SEEK + AF + EMPHASIZE, CONFRONT + PERSUADE.
    means = {item: one.mean for item, one in found.systems[0].items.items()}
    assert means["percent_cr"] == pytest.approx(200 / 3)
    assert (means["technical"], means["relational"], means["r_to_q"]) == (3, 3.5, 2)
    assert (means["mia"], means["mina"], means["GI"], means["PARTNERSHIP"]) == (6, 3, 4, 4)


def test_a_dialogue_of_many_raters_weighs_like_one_of_a_single_rater() -> None:
    found = group(
        [
            row("m1/tuned", "ann", coding(2)),
            row("m1/tuned", "bob", coding(3)),
            row("m1/tuned", "cho", coding(4)),
            row("m2/tuned", "ann", coding(5)),
        ]
    )
    tuned = of_system(found, "tuned")
    assert (tuned.dialogues, tuned.codings, tuned.raters) == (2, 4, 3)
    assert (found.dialogues, found.codings, found.raters) == (2, 4, 3)
    cct = tuned.items["CCT"]
    assert (cct.mean, cct.sd, cct.n, cct.left_out) == (4, pytest.approx(2**0.5), 2, 0)
    assert "over dialogues" in cct.method


def test_undefined_values_are_left_out_of_the_average_and_then_the_dialogue() -> None:
    found = group(
        [
            row("m1/tuned", "ann", coding(None, Q=0)),
            row("m1/tuned", "bob", coding(4, Q=3)),
            row("m2/tuned", "ann", coding(6, Q=0)),
            row("m3/tuned", "ann", coding(3, Q=2)),
        ]
    )
    items = of_system(found, "tuned").items
    assert (items["r_to_q"].mean, items["r_to_q"].n, items["r_to_q"].left_out) == (5, 2, 1)
    assert "no questions" in (items["r_to_q"].left_out_reason or "")
    assert (items["CCT"].mean, items["CCT"].n, items["CCT"].left_out) == (3.5, 2, 1)
    assert items["CCT"].left_out_reason == "rated with something else than 1 to 5"
    assert (items["Q"].n, items["Q"].left_out, items["Q"].left_out_reason) == (3, 0, None)
    # Its other half is fine, yet no score comes of it.
    assert (items["SST"].n, items["technical"].n) == (3, 2)


def test_a_value_without_any_dialogue_tells_every_reason() -> None:
    codings = [coding(None), coding(7)]
    rows = [row(f"m{number}/base", filled=filled) for number, filled in enumerate(codings)]
    cct = of_system(group(rows), "base").items["CCT"]
    assert (cct.mean, cct.sd, cct.low, cct.high, cct.n, cct.left_out) == (*[None] * 4, 0, 2)
    assert cct.reason == (
        "undefined in all 2 dialogues: not rated; rated with something else than 1 to 5"
    )


def reflecting(reflections: int, questions: int) -> Coding:
    return coding(SR=0, CR=reflections, Q=questions)


@pytest.mark.parametrize(
    ("codings", "fair", "good"),
    [
        # Per dialogue the codings of its raters; R:Q is fair from 1, good from 2.
        ([[reflecting(1, 1)], [reflecting(2, 1)], [reflecting(9, 10)]], (2, 3), (1, 3)),
        ([[reflecting(1, 2), reflecting(3, 2)], [reflecting(0, 3)]], (1, 2), (0, 2)),
        ([[reflecting(4, 1)], [reflecting(4, 0)]], (1, 1), (1, 1)),
        ([[reflecting(4, 0)]], (0, 0), (0, 0)),
        # 1/6 + 1/3 + 4/3 + 13/6 is 4, in binary a bit less.
        (
            [[reflecting(1, 6), reflecting(1, 3), reflecting(4, 3), reflecting(13, 6)]],
            (1, 1),
            (0, 1),
        ),
    ],
)
def test_shares_of_dialogues_that_reach_a_threshold(
    codings: list[list[Coding]], fair: tuple[int, int], good: tuple[int, int]
) -> None:
    rows = [
        row(f"m{number}/tuned", f"r{rater}", filled)
        for number, of_dialogue in enumerate(codings)
        for rater, filled in enumerate(of_dialogue)
    ]
    found = of_system(group(rows), "tuned").thresholds
    assert list(found) == list(THRESHOLDS)
    shares = found["r_to_q"]
    for bar, (reached, n) in zip(BARS, (fair, good), strict=True):
        share, wanted = shares.at_least[bar], wilson(reached, n)
        assert (share.value, share.low, share.high) == (wanted.value, wanted.low, wanted.high)
        assert (share.n, share.method) == (n, "Wilson 95 %, over dialogues")
        assert (share.reason is None) == (n > 0)
    assert shares.left_out == len(codings) - fair[1]
    if fair[1] == 0:
        reason = shares.at_least["fair"].reason or ""
        assert reason.startswith("undefined in the only dialogue: no questions")


def test_kinds_pairs_and_epochs_are_never_pooled() -> None:
    keys = [
        (source, pair, epoch)
        for source in SOURCES
        for pair in ("demo", "other")
        for epoch in (None, "e1")
    ]
    parts = {}
    for seed, (source, pair, epoch) in enumerate(keys):
        own = [one._replace(source=source, pair=pair, epoch=epoch) for one in random_rows(seed, 2)]
        if source == "adjudicated":
            own = list({one.dialogue: one for one in own}.values())
        parts[source, pair, epoch] = own
    rows = [one for part in parts.values() for one in part]
    random.Random(3).shuffle(rows)
    found = miti_results(rows).groups
    assert [(one.source, one.pair, one.epoch) for one in found] == keys
    for one in found:
        assert one == group(parts[one.source, one.pair, one.epoch])


def test_the_order_of_rows_changes_nothing() -> None:
    rows = random_rows()
    turned = rows[:]
    random.Random(7).shuffle(turned)
    assert miti_results(turned) == miti_results(rows)


def test_systems_and_comparisons_stand_in_a_fixed_order() -> None:
    systems = ["reference", "remote:b", "tuned", "remote:a", "base_prompted", "base"]
    found = group([row(f"m1/{system}") for system in systems])
    order = ["base", "base_prompted", "tuned", "remote:a", "remote:b", "reference"]
    assert [one.system for one in found.systems] == order
    compared = [(one.system, one.minus) for one in found.differences]
    assert compared[:5] == [("tuned", other) for other in order if other != "tuned"]
    assert compared[5:7] == [("base_prompted", "base"), ("remote:a", "base")]
    assert compared[-1] == ("reference", "remote:b")
    assert len(compared) == len({frozenset(names) for names in compared}) == 15


def test_differences_are_taken_within_matches() -> None:
    found = group(
        [
            row("m1/tuned", "ann", coding(5, Q=4)),
            row("m1/tuned", "bob", coding(4, Q=4)),
            row("m1/base", "ann", coding(2, Q=6)),
            row("m2/tuned", "ann", coding(3, Q=3)),
            row("m2/base", "bob", coding(4, Q=0)),
            # Without counterparts: a match with one system alone, and dialogues of no match.
            row("m3/tuned", "ann", coding(5)),
            row("/tuned/4", "ann", coding(5)),
            row("/base/4", "ann", coding(1)),
        ]
    )
    (one,) = found.differences
    assert (one.system, one.minus, one.matches) == ("tuned", "base", 2)
    assert tuple(one.items) == ITEMS
    cct = one.items["CCT"]
    assert (cct.mean, cct.sd, cct.n) == (0.75, pytest.approx(stdev([2.5, -1.0])), 2)
    assert "over matches" in cct.method
    # m1: 12/4 - 12/6; in m2 the base asked nothing.
    r_to_q = one.items["r_to_q"]
    assert (r_to_q.mean, r_to_q.sd, r_to_q.n, r_to_q.left_out) == (1, None, 1, 1)
    assert "no questions" in (r_to_q.left_out_reason or "")


def test_systems_without_a_common_match_have_no_differences_and_say_why() -> None:
    one = difference(group([row("m1/tuned"), row("m2/base")]), "tuned", "base")
    assert one.matches == 0
    for estimate in one.items.values():
        assert (estimate.mean, estimate.n, estimate.left_out) == (None, 0, 0)
        assert estimate.reason == "there is no match"


def values_of(filled: Coding) -> dict[Item, float]:
    """Each defined item, told otherwise than the code under test tells it."""
    summary = summarize(filled)
    told: dict[Any, Any] = {
        key: value for key, value in filled.globals.items() if value in {1, 2, 3, 4, 5}
    }
    told |= summary.counts | {score: getattr(summary, score) for score in SCORES}
    return {item: value for item, value in told.items() if value is not None}


def test_means_and_differences_computed_once_more() -> None:
    rows = random_rows()
    found = group(rows)
    given: dict[tuple[str, str, Item], list[float]] = defaultdict(list)
    for one in rows:
        for item, value in values_of(one.coding).items():
            given[one.system, one.match or "", item].append(value)
    averages = {key: mean(values) for key, values in given.items()}
    for system in found.systems:
        dialogues = {one.dialogue for one in rows if one.system == system.system}
        assert system.dialogues == len(dialogues)
        for item, estimate in system.items.items():
            values = [v for (s, _, i), v in averages.items() if (s, i) == (system.system, item)]
            assert (estimate.n, estimate.left_out) == (len(values), len(dialogues) - len(values))
            if values:
                assert estimate.mean == pytest.approx(mean(values))
            if len(values) > 1:
                assert estimate.sd == pytest.approx(stdev(values))
    for pair in found.differences:
        for item, estimate in pair.items.items():
            values = [
                value - averages[pair.minus, match, item]
                for (system_, match, i), value in averages.items()
                if (system_, i) == (pair.system, item) and (pair.minus, match, item) in averages
            ]
            assert estimate.n == len(values) <= pair.matches
            if values:
                assert estimate.mean == pytest.approx(mean(values))


def test_agreement_is_over_dialogues_that_two_raters_coded() -> None:
    rows = random_rows()
    found = group(rows)
    raters = defaultdict(set)
    for one in rows:
        raters[one.dialogue].add(one.rater)
    wanted = agreement(
        Rating(item, one.dialogue, one.rater, values_of(one.coding).get(item))
        for item in ITEMS
        for one in rows
        if len(raters[one.dialogue]) > 1
    )
    assert list(found.agreement) == list(ITEMS)
    assert found.agreement == wanted
    assert found.no_agreement == {}
    assert 0 < wanted["Q"].n_targets < len(raters)


def test_items_without_agreement_say_why() -> None:
    alone = group([row("m1/tuned", "ann"), row("m2/tuned", "bob")])
    assert alone.agreement == {}
    assert alone.no_agreement == dict.fromkeys(ITEMS, "no dialogue was coded by two raters")

    rows = [row("m1/tuned", "ann", coding(None)), row("m1/tuned", "bob", coding(3))]
    half = group([*rows, row("m2/tuned", "ann", coding(3, Q=1)), row("m2/tuned", "bob")])
    assert "CCT" in half.agreement and half.agreement["CCT"].n_targets == 2
    undefined = group(rows)
    assert set(undefined.no_agreement) == {"CCT", "technical"}
    assert undefined.no_agreement["CCT"] == "in no dialogue is it defined for two raters"
    assert set(undefined.agreement) | set(undefined.no_agreement) == set(ITEMS)


def test_adjudicated_codings_have_no_agreement() -> None:
    rows = [row("m1/tuned", source="adjudicated"), row("m1/base", source="adjudicated")]
    found = group(rows)
    assert found.agreement == {}
    assert set(found.no_agreement) == set(ITEMS)
    assert "one coding" in found.no_agreement["CCT"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("m1/tuned"), row("m1/tuned")], "m1/tuned is coded twice by one rater"),
        ([row("m1/tuned"), row("m1/tuned", "bob", system="base")], "two systems or matches"),
        ([row("m1/tuned"), row("m1/tuned", "bob", match="m2")], "two systems or matches"),
        ([row("m1/tuned/1"), row("m1/tuned/2")], "m1 has two dialogues of tuned, m1/tuned/1 and"),
        (
            [row("m1/tuned", rater, source="adjudicated") for rater in ("ann", "bob")],
            "2 adjudicated codings",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_refused(rows: list[CodingRow], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        miti_results(rows)
    assert "\n" not in str(caught.value)


def test_the_same_dialogue_may_be_coded_by_the_same_rater_as_another_kind_of_coding() -> None:
    rows = [row("m1/tuned"), row("m1/tuned", source="adjudicated"), row("m1/tuned", epoch="e2")]
    assert [one.codings for one in miti_results(rows).groups] == [1, 1, 1]
