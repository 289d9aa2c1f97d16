from __future__ import annotations

from itertools import combinations
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.miti.items import CODES, Code
from mi_arena.miti.rules import DISPLACEMENTS, RULES, valid_count, valid_global, volley_codes


@pytest.mark.parametrize(
    ("coded", "counted"),
    [
        ([], ()),
        ([None, None], ()),
        (["Q", None, "Q"], ("Q",)),
        (["SR", "SR"], ("SR",)),
        (["SR", "CR"], ("CR",)),
        (["CR", "SR", "Q"], ("Q", "CR")),
        (["PERSUADE", "PERSUADE_WITH"], ("PERSUADE_WITH",)),
        (["PERSUADE_WITH", "GI", "PERSUADE"], ("GI", "PERSUADE_WITH")),
        (["PERSUADE", "CONFRONT"], ("PERSUADE", "CONFRONT")),
    ],
)
def test_what_a_volley_counts(coded: list[Code | None], counted: tuple[Code, ...]) -> None:
    assert volley_codes(coded) == counted


@settings(deadline=None)
@given(st.lists(st.sampled_from([*CODES, None])), st.randoms())
def test_order_and_repetition_do_not_matter(coded: list[Code | None], random: object) -> None:
    counted = volley_codes(coded)
    shuffled = [*coded, *coded]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert volley_codes(shuffled) == counted
    assert len(set(counted)) == len(counted)
    assert set(counted) <= set(coded)
    lost = {code for code in coded if code is not None} - set(counted)
    assert lost == {
        one.loser for one in DISPLACEMENTS if one.winner in coded and one.loser in coded
    }


def test_a_volley_has_at_most_eight_kinds() -> None:
    most = max(
        len(volley_codes(some)) for n in range(len(CODES) + 1) for some in combinations(CODES, n)
    )
    assert most == 8


def test_rules_speak_both_languages_about_the_same_facts() -> None:
    for id_, rule in RULES.items():
        assert rule.id == id_
        for told in (rule.message, rule.fix):
            facts = [
                sorted({field for _, field, _, _ in Formatter().parse(told[lang]) if field})
                for lang in ("zh", "en")
            ]
            assert facts[0] == facts[1], id_
            assert told["zh"] != told["en"]


@pytest.mark.parametrize("value", [1, 5, 4.0])
def test_globals_in_range(value: float) -> None:
    assert valid_global(value)


@pytest.mark.parametrize("value", [0, 6, -1, 3.5, float("nan"), float("inf"), 10**400])
def test_globals_out_of_range(value: float) -> None:
    assert not valid_global(value)


def test_counts() -> None:
    assert all(valid_count(value) for value in (0, 7, 7.0, 100_000))
    for value in (-1, 0.5, -0.5, float("nan"), float("inf"), 100_001, 10**400):
        assert not valid_count(value)
