import hashlib
import hmac
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace as replace_in
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.access.keyed import keyed_by
from mi_arena.study.assignment import Assigned, Unit, draw, order, replace

SEED = b"seed"
seeds = st.binary(min_size=1, max_size=8)
shares = st.integers(0, 20).map(lambda twentieths: twentieths / 20)
RATERS = ["ann", "bo", "cy", "di", "ed", "flo"]


def drawn(units: Sequence[Unit], raters: Sequence[str], **how: Any) -> list[Assigned]:
    """A draw in which every unit gets the raters that it should have."""
    found = draw(units, raters, **how)
    assert found.unplaced == []
    return found.assigned


def matches(count: int, avoid: Collection[str] = ()) -> list[Unit]:
    return [Unit(f"m{n}", (f"m{n}",), frozenset(avoid)) for n in range(count)]


@st.composite
def rater_names(draw_from: st.DrawFn, least: int = 1) -> list[str]:
    return draw_from(st.lists(st.sampled_from(RATERS), min_size=least, unique=True))


@st.composite
def unit_lists(draw_from: st.DrawFn, largest: int = 3, avoiding: bool = True) -> list[Unit]:
    sizes = draw_from(st.lists(st.integers(1, largest), min_size=1, max_size=14))
    nobody = st.just(frozenset[str]())
    avoid = st.frozensets(st.sampled_from(RATERS), max_size=3) if avoiding else nobody
    return [
        Unit(f"u{number}", tuple(f"u{number}-{part}" for part in range(size)), draw_from(avoid))
        for number, size in enumerate(sizes)
    ]


@st.composite
def studies(
    draw_from: st.DrawFn, largest: int = 3, avoiding: bool = True
) -> tuple[list[Unit], list[str], int]:
    """Units, raters, and a number of raters per multiply rated unit that can be had."""
    raters = draw_from(rater_names())
    each = draw_from(st.integers(1, min(3, len(raters))))
    return draw_from(unit_lists(largest, avoiding)), raters, each


def raters_of(assigned: Collection[Assigned]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for target, rater in assigned:
        found[target].add(rater)
    return found


def loads(assigned: Collection[Assigned], raters: Collection[str]) -> dict[str, int]:
    return {rater: sum(who == rater for _, who in assigned) for rater in raters}


def spread(assigned: Collection[Assigned], raters: Collection[str]) -> int:
    numbers = loads(assigned, raters).values()
    return max(numbers) - min(numbers)


# --- covering


@given(studies(), shares, seeds)
@settings(deadline=None)
def test_every_unit_has_its_raters_whole_and_nobody_twice(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes
) -> None:
    units, raters, each = study
    assigned = drawn(units, raters, each=each, doubled=doubled, seed=seed)
    assert len(set(assigned)) == len(assigned)
    found = raters_of(assigned)
    numbers = Counter[int]()
    for unit in units:
        sets = [found[target] for target in unit.targets]
        assert all(one == sets[0] <= set(raters) for one in sets)
        numbers[len(sets[0])] += 1
    # Twentieths in whole numbers: the count must not suffer from what floats make of them.
    multiple = -(-round(doubled * 20) * len(units) // 20)
    assert numbers == Counter({each: multiple}) + Counter({1: len(units) - multiple})


@pytest.mark.parametrize(
    ("count", "doubled", "expected"),
    [
        (10, 0.0, 0),
        (10, 0.01, 1),
        (10, 0.2, 2),
        (10, 0.21, 3),
        (10, 1.0, 10),
        (100, 0.07, 7),  # 0.07 * 100 is 7.000000000000001
        (100, 0.29, 29),
        (3, 1 / 3, 1),
        (0, 0.5, 0),
    ],
)
def test_the_share_is_rounded_up_to_whole_units(count: int, doubled: float, expected: int) -> None:
    assigned = drawn(matches(count), RATERS, each=2, doubled=doubled, seed=SEED)
    assert len(assigned) == count + expected


def test_which_units_are_multiply_rated_is_drawn() -> None:
    def multiple(seed: bytes) -> frozenset[str]:
        assigned = drawn(matches(12), RATERS, each=2, doubled=0.25, seed=seed)
        return frozenset(t for t, n in Counter(target for target, _ in assigned).items() if n > 1)

    subsets = [multiple(f"seed-{number}".encode()) for number in range(200)]
    frequency = Counter(target for chosen in subsets for target in chosen)
    # 200 draws of a quarter: 50 each, within 5 standard deviations.
    assert all(abs(frequency[f"m{number}"] - 50) < 31 for number in range(12))


# --- chance


def test_golden_vector() -> None:
    """Written down once: a change of the algorithm would make past draws impossible to repeat."""
    units = [Unit("u", ("u1", "u2")), *matches(3), Unit("v", ("v1",), frozenset({"ann"}))]
    assigned = drawn(units, ["ann", "bo", "cy"], each=2, doubled=0.4, seed=SEED)
    assert " ".join(f"{target}:{rater}" for target, rater in assigned) == (
        "u1:cy u2:cy m2:ann m2:bo v1:bo m1:ann m1:cy m0:ann"
    )


def test_follows_the_description_in_the_docstring() -> None:
    """The algorithm for units of one target, written a second time from its description."""

    def mac(label: str) -> str:
        return hmac.new(SEED, label.encode(), hashlib.sha256).hexdigest()

    keys = [f"m{number}" for number in range(40)]
    multiple = sorted(keys, key=lambda key: mac(f"multiple:{key}"))[:10]
    load, expected = dict.fromkeys(RATERS, 0), []
    for key in sorted(keys, key=lambda key: mac(f"unit:{key}")):
        ranked = sorted(RATERS, key=lambda rater: (load[rater], mac(f"rater:{key}:{rater}")))
        for rater in ranked[: 3 if key in multiple else 1]:
            load[rater] += 1
            expected.append(Assigned(key, rater))
    assert drawn(matches(40), RATERS, each=3, doubled=0.25, seed=SEED) == expected


@given(studies(), shares, seeds, st.data())
@settings(deadline=None)
def test_the_order_in_which_anything_is_given_does_not_matter(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes, data: st.DataObject
) -> None:
    units, raters, each = study
    some = drawn(units[::2], raters, each=each, doubled=doubled, seed=seed)
    again = drawn(
        data.draw(st.permutations(units)),
        data.draw(st.permutations(raters)),
        each=each,
        doubled=doubled,
        seed=seed,
        already=data.draw(st.permutations(some)),
    )
    assert again == drawn(units, raters, each=each, doubled=doubled, seed=seed, already=some)


@pytest.mark.parametrize("raters", [RATERS[:3], RATERS[:4], RATERS[:5]])
def test_all_pairs_of_raters_occur_about_equally(raters: list[str]) -> None:
    found = raters_of(drawn(matches(300), raters, each=2, doubled=1, seed=SEED))
    pairs = Counter(frozenset(pair) for pair in found.values())
    possible = math.comb(len(raters), 2)
    assert len(pairs) == possible
    assert all(0.6 < count * possible / 300 < 1.5 for count in pairs.values())


def test_another_seed_gives_another_draw() -> None:
    one, other = (drawn(matches(20), RATERS, each=1, doubled=0, seed=s) for s in (b"1", b"2"))
    assert sorted(one) != sorted(other)


# --- balance


@given(studies(avoiding=False), shares, seeds)
@settings(deadline=None)
def test_nobody_gets_more_than_one_units_size_more_than_another(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes
) -> None:
    units, raters, each = study
    assigned = drawn(units, raters, each=each, doubled=doubled, seed=seed)
    assert spread(assigned, raters) <= max(len(unit.targets) for unit in units)


@given(studies(largest=1, avoiding=False), shares, seeds)
@settings(deadline=None)
def test_units_of_one_target_are_spread_evenly(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes
) -> None:
    units, raters, each = study
    assert spread(drawn(units, raters, each=each, doubled=doubled, seed=seed), raters) <= 1


def test_small_units_level_out_what_large_ones_leave_uneven() -> None:
    units = [Unit(f"u{n}", tuple(f"u{n}-{part}" for part in range(3))) for n in range(4)]
    for number in range(20):
        seed = f"seed-{number}".encode()
        assigned = drawn(matches(6) + units, RATERS[:3], each=1, doubled=0, seed=seed)
        assert loads(assigned, RATERS[:3]) == dict.fromkeys(RATERS[:3], 6)


@pytest.mark.parametrize(
    ("before", "units", "expected"),
    [
        ((5, 0, 0), 4, (5, 2, 2)),
        ((5, 3, 0), 2, (5, 3, 2)),
        ((5, 3, 0), 7, (5, 5, 5)),
        ((2, 2, 2), 3, (3, 3, 3)),
        ((1, 9, 0), 1, (1, 9, 1)),
    ],
)
def test_who_has_least_gets_new_work_first(
    before: tuple[int, ...], units: int, expected: tuple[int, ...]
) -> None:
    raters = RATERS[:3]
    already = [
        Assigned(f"old-{rater}-{number}", rater)
        for rater, count in zip(raters, before, strict=True)
        for number in range(count)
    ]
    new = drawn(matches(units), raters, each=1, doubled=0, seed=SEED, already=already)
    assert loads([*already, *new], raters) == dict(zip(raters, expected, strict=True))


# --- avoiding


@given(studies(), shares, seeds)
@settings(deadline=None)
def test_whom_to_avoid_is_avoided_as_far_as_others_are_free(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes
) -> None:
    units, raters, each = study
    found = raters_of(drawn(units, raters, each=each, doubled=doubled, seed=seed))
    for unit in units:
        chosen = found[unit.targets[0]]
        free = set(raters) - unit.avoid
        assert len(chosen - unit.avoid) == min(len(chosen), len(free))


@given(studies(), shares, seeds)
@settings(deadline=None)
def test_no_single_unit_could_be_moved_to_make_loads_more_even(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes
) -> None:
    units, raters, each = study
    assigned = drawn(units, raters, each=each, doubled=doubled, seed=seed)
    found, load = raters_of(assigned), loads(assigned, raters)
    for unit in units:
        chosen = found[unit.targets[0]]
        for giver in chosen:
            for taker in set(raters) - chosen:
                if taker not in unit.avoid or giver in unit.avoid:
                    assert load[taker] + len(unit.targets) >= load[giver]


def test_avoiding_does_not_cost_balance_where_it_need_not() -> None:
    """Every match was coded by two of three: each has one judge left, or any of two."""
    raters = RATERS[:3]
    pairs = [*combinations(raters, 2)] * 3
    units = [Unit(f"m{n}", (f"m{n}",), frozenset(pair)) for n, pair in enumerate(pairs)]
    free = [Unit(f"f{n}", (f"f{n}",)) for n in range(6)]
    one_sided = [Unit(f"o{n}", (f"o{n}",), frozenset({"ann", "bo"})) for n in range(4)]
    for number in range(20):
        seed = f"seed-{number}".encode()
        assert spread(drawn(units + free, raters, each=1, doubled=0, seed=seed), raters) == 0
        new = drawn(one_sided + matches(8, avoid={"cy"}), raters, each=1, doubled=0, seed=seed)
        assert loads(new, raters) == dict.fromkeys(raters, 4)


@given(studies(), st.data(), shares, seeds)
@settings(deadline=None)
def test_whoever_is_barred_never_gets_it_and_what_is_lacking_is_told(
    study: tuple[list[Unit], list[str], int], data: st.DataObject, doubled: float, seed: bytes
) -> None:
    plain, raters, each = study
    barred = st.frozensets(st.sampled_from(RATERS))
    units = [replace_in(unit, barred=data.draw(barred)) for unit in plain]
    multiple = {
        target
        for target, chosen in raters_of(
            drawn(plain, raters, each=each, doubled=doubled, seed=seed)
        ).items()
        if len(chosen) == each
    }
    assigned, unplaced = draw(units, raters, each=each, doubled=doubled, seed=seed)
    found, lacking = raters_of(assigned), Counter(unplaced)
    assert unplaced == sorted(unplaced)
    for unit in units:
        for target in unit.targets:
            free = set(raters) - unit.barred
            wanted = each if target in multiple else 1
            assert found[target] <= free
            assert len(found[target]) == min(wanted, len(free))
            assert lacking[target] == wanted - len(found[target])
    again = draw(units, raters, each=each, doubled=doubled, seed=b"other", already=assigned)
    if not unplaced:
        assert again.assigned == []
    for unit in units:
        assert not raters_of(again.assigned)[unit.targets[0]] & unit.barred


def test_nobody_who_is_barred_takes_over() -> None:
    units = [Unit("u", ("u1", "u2"), frozenset({"cy"}), frozenset({"bo"}))]
    held = [Assigned("u1", "ann"), Assigned("u2", "ann")]
    only = replace("ann", ["u1", "u2"], ["bo"], held, units, SEED)
    assert only == ([], ["u1", "u2"])
    assert replace("ann", ["u2"], ["bo", "cy"], held, units, SEED).assigned == [
        Assigned("u2", "cy")
    ]


def test_evening_out_moves_nothing_to_whom_is_barred() -> None:
    """``bo`` ends with nothing while ``ann`` has all of it."""
    units = [Unit(f"m{n}", (f"m{n}",), barred=frozenset({"bo"})) for n in range(4)]
    assert loads(drawn(units, ["ann", "bo"], each=1, doubled=0, seed=SEED), ["ann", "bo"]) == {
        "ann": 4,
        "bo": 0,
    }


def test_avoid_yields_when_nobody_else_is_there() -> None:
    only = drawn(matches(4, avoid={"ann", "bo"}), ["ann", "bo"], each=2, doubled=1, seed=SEED)
    assert loads(only, ["ann", "bo"]) == {"ann": 4, "bo": 4}


# --- topping up


@given(studies(), shares, seeds, seeds)
@settings(deadline=None)
def test_drawing_again_adds_nothing(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes, other: bytes
) -> None:
    units, raters, each = study
    assigned = drawn(units, raters, each=each, doubled=doubled, seed=seed)
    for again in (seed, other):
        new = drawn(units, raters, each=each, doubled=doubled, seed=again, already=assigned)
        assert new == []


@given(studies(), studies(), shares, shares, seeds)
@settings(deadline=None)
def test_topping_up_a_study_that_has_grown(
    before: tuple[list[Unit], list[str], int],
    after: tuple[list[Unit], list[str], int],
    share_before: float,
    share_after: float,
    seed: bytes,
) -> None:
    """More or other units, raters and shares; units may have gained or lost targets."""
    old_units, old_raters, old_each = before
    units, raters, each = after
    old = drawn(old_units, old_raters, each=old_each, doubled=share_before, seed=seed)
    new = drawn(units, raters, each=each, doubled=share_after, seed=seed, already=old)
    assert not set(new) & set(old)
    assert len(set(new)) == len(new)
    assert {rater for _, rater in new} <= set(raters)
    then, now = raters_of(old), raters_of([*old, *new])
    wanted = math.ceil(round(share_after * 20) * len(units) / 20)
    was = sum(any(len(then[t]) > 1 for t in unit.targets) for unit in units)
    if each > 1:
        full = sum(all(len(now[t]) >= each for t in unit.targets) for unit in units)
        multiple = sum(any(len(now[t]) > 1 for t in unit.targets) for unit in units)
        assert full >= wanted
        assert multiple == max(was, wanted)
    for target in (target for unit in units for target in unit.targets):
        assert 1 <= len(now[target]) <= max(each, len(then[target]))


def test_the_share_counts_what_is_multiply_rated_already() -> None:
    old = drawn(matches(4), RATERS, each=2, doubled=1, seed=SEED)
    new = drawn(matches(8), RATERS, each=2, doubled=0.5, seed=b"other", already=old)
    assert sorted(target for target, _ in new) == ["m4", "m5", "m6", "m7"]
    more = drawn(matches(8), RATERS, each=2, doubled=0.75, seed=SEED, already=[*old, *new])
    assert len(more) == 2 and {target for target, _ in more} < {"m4", "m5", "m6", "m7"}


def test_a_unit_that_gained_a_dialogue_stays_with_its_raters() -> None:
    units = [Unit(f"u{n}", (f"u{n}-a",)) for n in range(6)]
    grown = [Unit(unit.key, (*unit.targets, f"{unit.key}-b")) for unit in units]
    old = drawn(units, RATERS, each=2, doubled=0.5, seed=SEED)
    busy = [Assigned(f"other-{n}", rater) for n, (_, rater) in enumerate(old[:5])]
    new = drawn(grown, RATERS, each=2, doubled=0.5, seed=b"other", already=[*old, *busy])
    assert {(target[:-2], rater) for target, rater in new} == {(t[:-2], r) for t, r in old}


def test_finished_work_of_raters_who_take_no_more_counts() -> None:
    already = [Assigned("m0", "gone"), Assigned("m1", "gone")]
    new = drawn(matches(3), ["ann"], each=1, doubled=0, seed=SEED, already=already)
    assert new == [Assigned("m2", "ann")]


def test_an_assignment_told_twice_counts_once() -> None:
    old = [Assigned("m0", "ann")] * 2
    new = drawn(matches(1), ["ann", "bo"], each=2, doubled=1, seed=SEED, already=old)
    assert new == [Assigned("m0", "bo")]


# --- somebody leaves


@given(studies(), shares, seeds, st.data())
@settings(deadline=None)
def test_replacing_keeps_the_coverage(
    study: tuple[list[Unit], list[str], int], doubled: float, seed: bytes, data: st.DataObject
) -> None:
    units, raters, each = study
    old = drawn(units, raters, each=each, doubled=doubled, seed=seed)
    left = data.draw(st.sampled_from(raters))
    theirs = [target for target, rater in old if rater == left]
    unfinished = {target for target in theirs if data.draw(st.booleans())}
    assigned, unplaced = replace(left, unfinished, raters, old, units, seed)
    assert sorted([target for target, _ in assigned] + unplaced) == sorted(unfinished)
    assert {rater for _, rater in assigned} <= set(raters) - {left}
    assert not set(assigned) & set(old)
    before = raters_of(old)
    for target in unplaced:
        assert before[target] == set(raters)
    takers = raters_of(assigned)
    for unit in units:
        # All raters had whole units, so whoever can take one target can take all of them.
        assert len(set[str]().union(*(takers[target] for target in unit.targets))) <= 1
        for target in set(unit.targets) & set(takers):
            others = set(raters) - {left} - before[target]
            assert not takers[target] & unit.avoid or others <= unit.avoid
    kept = set(old) - {Assigned(target, left) for target in unfinished}
    then = [rater for rater in raters if rater != left]
    if not unplaced and len(then) >= each:
        settled = [*kept, *assigned]
        assert drawn(units, then, each=each, doubled=doubled, seed=seed, already=settled) == []
    assert (assigned, unplaced) == replace(left, unfinished, raters[::-1], kept, units[::-1], seed)


def test_the_work_of_who_left_is_shared_out_evenly() -> None:
    units = matches(16)
    old = drawn(units, RATERS[:4], each=1, doubled=0, seed=SEED)
    busy = [*old, Assigned("other-1", "bo"), Assigned("other-2", "bo")]
    unfinished = [target for target, rater in old if rater == "ann"]
    assigned, unplaced = replace("ann", unfinished, RATERS[:4], busy, units, SEED)
    assert unplaced == []
    assert loads(assigned, RATERS[:4]) == {"ann": 0, "bo": 0, "cy": 2, "di": 2}


@pytest.mark.parametrize(
    ("already", "assigned", "unplaced"),
    [
        # Nobody is free.
        (["u1 bo", "u2 bo"], [], ["u1", "u2"]),
        # The other has one of the two.
        (["u1 bo"], ["u2 bo"], ["u1"]),
        # Whoever has one already takes the other, even if the unit cannot stay whole.
        (["u1 bo", "u2 cy"], ["u2 bo", "u1 cy"], []),
        # One rater for all of it.
        (["x bo"], ["u1 cy", "u2 cy"], []),
    ],
)
def test_who_takes_over(already: list[str], assigned: list[str], unplaced: list[str]) -> None:
    def read(lines: list[str]) -> list[Assigned]:
        return [Assigned(*line.split()) for line in lines]

    raters = ["ann", "bo", "cy"] if "cy" in " ".join(already + assigned) else ["ann", "bo"]
    held = read([*already, "u1 ann", "u2 ann"])
    found = replace("ann", ["u1", "u2"], raters, held, [Unit("u", ("u1", "u2"))], SEED)
    assert sorted(found.assigned) == sorted(read(assigned))
    assert found.unplaced == unplaced


def test_what_who_left_has_finished_stays() -> None:
    held = [Assigned("u1", "ann"), Assigned("u2", "ann")]
    units = [Unit("u", ("u1", "u2"))]
    found = replace("ann", ["u2"], ["bo"], held, units, SEED)
    assert found == ([Assigned("u2", "bo")], [])
    settled = [Assigned("u1", "ann"), *found.assigned]
    assert drawn(units, ["bo"], each=1, doubled=0, seed=SEED, already=settled) == []


# --- the order of one rater


def test_each_rater_has_an_order_of_their_own() -> None:
    keyed = keyed_by(b"secret")
    targets = [f"m{number}" for number in range(20)]
    ann, bo = (order(targets, rater, keyed) for rater in ("ann", "bo"))
    assert sorted(ann) == sorted(bo) == sorted(targets)
    assert len({tuple(ann), tuple(bo), tuple(targets)}) == 3
    assert ann == sorted(targets, key=lambda t: keyed_by(b"secret")("order", f"ann:{t}"))


@given(st.sets(st.text(max_size=5)), st.sets(st.text(max_size=5)), st.binary())
def test_adding_targets_leaves_the_order_of_the_others(
    some: set[str], more: set[str], secret: bytes
) -> None:
    keyed = keyed_by(secret)
    together = order(some | more, "ann", keyed)
    assert [target for target in together if target in some] == order(some, "ann", keyed)


# --- what is refused


@pytest.mark.parametrize(
    ("raters", "each", "doubled", "message"),
    [
        (["ann"], 2, 0.5, "2 raters per multiply rated unit, but only 1 can .* add raters or ask"),
        (["ann", "ann"], 2, 0.5, "only 1 can take work"),
        ([], 1, 0.5, "only 0 can take work"),
        (["ann"], 0, 0.5, "cannot have 0 raters: ask for at least 1"),
        (["ann"], 1, -0.1, "-0.1 is not a share: give a number from 0 to 1"),
        (["ann"], 1, 1.1, "1.1 is not a share"),
        (["ann"], 1, math.nan, "nan is not a share"),
    ],
)
def test_numbers_that_cannot_be(raters: list[str], each: int, doubled: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drawn(matches(3), raters, each=each, doubled=doubled, seed=SEED)


def test_units_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="unit u has no targets"):
        Unit("u", ())
    shared = [Unit("u", ("t1", "t2")), Unit("v", ("t2",))]
    with pytest.raises(ValueError, match="target t2 lies in 2 units"):
        drawn(shared, ["ann"], each=1, doubled=0, seed=SEED)
    with pytest.raises(ValueError, match="target t2 lies in 2 units"):
        replace("ann", ["t2"], ["bo"], [], shared, SEED)
    with pytest.raises(ValueError, match="target x lies in no unit: give the units"):
        replace("ann", ["x"], ["bo"], [], matches(1), SEED)
