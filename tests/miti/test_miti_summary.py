from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.miti.coding import Coding, Utterance, Volley, parse_coding
from mi_arena.miti.items import CODES, Code
from mi_arena.miti.summary import THRESHOLDS, mi_adherent_ratio, summarize

FULL: dict[str, int] = {
    "GI": 4, "PERSUADE": 1, "PERSUADE_WITH": 2, "Q": 6, "SR": 4, "CR": 8, "AF": 3, "SEEK": 2,
    "EMPHASIZE": 1, "CONFRONT": 2,
}  # fmt: skip


def totals(**changes: float | None) -> Coding:
    return parse_coding({"counts": {**FULL, **changes}})


def coded(*volleys: list[Code | None]) -> Coding:
    return Coding(
        volleys=tuple(
            Volley(utterances=tuple(Utterance(text="话", code=code) for code in volley))
            for volley in volleys
        )
    )


def some(counts: dict[Code, int | None]) -> dict[str, int | None]:
    return {code: count for code, count in counts.items() if count}


def test_a_worked_coding() -> None:
    """By hand: five volleys, with a repeated question and two displaced codes."""
    said = [
        [("你好。", None), ("聊什么由你定。", "SEEK")],
        [("喝了十年。", "SR"), ("怕丢了这份工。", "CR"), ("怕吗？", "Q"), ("嗯？", "Q")],
        [("能熬过来不容易。", "AF"), ("夜里难熬。", "CR")],
        [("该戒了。", "PERSUADE"), ("要我说，先减半。", "PERSUADE_WITH")],
        [("酒伤胃。", "GI"), ("又在找借口。", "CONFRONT"), ("夜里喝。", "SR")],
    ]
    filled = {
        "change_goal": "少喝酒",
        "globals": {"CCT": 4, "SST": 3, "PARTNERSHIP": 4, "EMPATHY": 4},
        "volleys": [
            {"utterances": [{"text": text, "code": code} for text, code in volley]}
            for volley in said
        ],
    }
    summary = summarize(parse_coding(filled))
    assert some(summary.counts) == {
        "GI": 1, "PERSUADE_WITH": 1, "Q": 1, "SR": 1, "CR": 2, "AF": 1, "SEEK": 1, "CONFRONT": 1,
    }  # fmt: skip
    assert some(summary.raw_counts) == {
        "GI": 1, "PERSUADE": 1, "PERSUADE_WITH": 1, "Q": 2, "SR": 2, "CR": 2, "AF": 1, "SEEK": 1,
        "CONFRONT": 1,
    }  # fmt: skip
    assert tuple(summary.counts) == tuple(summary.raw_counts) == CODES
    assert (summary.technical, summary.relational) == (3.5, 4.0)
    assert summary.percent_cr == 100 * 2 / 3
    assert (summary.r_to_q, summary.mia, summary.mina) == (3.0, 2, 1)
    assert (summary.n_volleys, summary.reflections) == (5, 3)
    assert summary.undefined == {}
    assert summary.thresholds == {
        "relational": "good",
        "technical": "fair",
        "percent_cr": "good",
        "r_to_q": "good",
    }


def test_totals_are_taken_as_given() -> None:
    summary = summarize(totals())
    assert summary.counts == FULL
    assert summary.percent_cr == 100 * 8 / 12
    assert (summary.r_to_q, summary.mia, summary.mina) == (2.0, 6, 3)
    # What was said twice in a volley cannot be known from totals.
    assert set(summary.raw_counts.values()) == {None} and summary.n_volleys is None
    assert set(summary.undefined) == {"technical", "relational", "raw_counts"}
    assert "Cultivating Change Talk" in summary.undefined["technical"]


def test_globals_alone() -> None:
    summary = summarize(parse_coding({"globals": {"CCT": 2, "SST": 3, "PARTNERSHIP": 4}}))
    assert (summary.technical, summary.relational) == (2.5, None)
    assert summary.undefined["relational"] == "not rated: Empathy"
    assert set(summary.counts.values()) == {None}
    assert set(summary.undefined) == {
        *CODES, "raw_counts", "relational", "percent_cr", "r_to_q", "mia", "mina",
    }  # fmt: skip
    assert summary.thresholds == {
        "relational": None,
        "technical": "below",
        "percent_cr": None,
        "r_to_q": None,
    }


@pytest.mark.parametrize("value", [0, 6, 3.5, float("nan")])
def test_an_invalid_global_leaves_its_score_undefined(value: float) -> None:
    summary = summarize(Coding(globals={"CCT": value, "SST": 5, "PARTNERSHIP": 3, "EMPATHY": 4.0}))
    assert summary.technical is None and "Cultivating Change Talk" in summary.undefined["technical"]
    assert summary.relational == 3.5 and "relational" not in summary.undefined
    assert summary.thresholds["technical"] is None


@pytest.mark.parametrize("value", [None, -1, 1.5])
@pytest.mark.parametrize(
    ("code", "gone"),
    [
        ("GI", set()),
        ("PERSUADE_WITH", set()),
        ("Q", {"r_to_q"}),
        ("SR", {"percent_cr", "r_to_q"}),
        ("CR", {"percent_cr", "r_to_q"}),
        ("AF", {"mia"}),
        ("SEEK", {"mia"}),
        ("EMPHASIZE", {"mia"}),
        ("CONFRONT", {"mina"}),
        ("PERSUADE", {"mina"}),
    ],
)
def test_a_count_that_is_missing_or_none(code: Code, gone: set[str], value: float | None) -> None:
    summary = summarize(totals(**{code: value}))
    assert summary.counts[code] is None
    scores = ("percent_cr", "r_to_q", "mia", "mina")
    lost = {name for name in scores if getattr(summary, name) is None}
    assert lost == gone
    assert {code, *gone} <= set(summary.undefined)
    assert all(summary.undefined[name] == summary.undefined[code] for name in gone)


def test_zero_denominators_are_undefined_and_zero_numerators_are_not() -> None:
    silent = summarize(coded([None], []))
    assert (silent.percent_cr, silent.r_to_q) == (None, None)
    assert silent.undefined["percent_cr"].startswith("no reflections")
    assert silent.undefined["r_to_q"].startswith("no questions")
    assert (silent.mia, silent.mina, silent.counts["Q"]) == (0, 0, 0)
    assert silent.thresholds["percent_cr"] is None and silent.thresholds["r_to_q"] is None
    asking = summarize(coded(["Q"], ["Q"]))
    assert (asking.percent_cr, asking.r_to_q) == (None, 0.0)
    assert asking.thresholds["r_to_q"] == "below"
    plain = summarize(coded(["SR"]))
    assert (plain.percent_cr, plain.r_to_q) == (0.0, None)
    assert plain.thresholds["percent_cr"] == "below"


@pytest.mark.parametrize(
    ("score", "given_", "level"),
    [
        ("relational", {"globals": {"PARTNERSHIP": 4, "EMPATHY": 4}}, "good"),
        ("relational", {"globals": {"PARTNERSHIP": 3, "EMPATHY": 4}}, "fair"),
        ("relational", {"globals": {"PARTNERSHIP": 3, "EMPATHY": 3}}, "below"),
        ("technical", {"globals": {"CCT": 3, "SST": 5}}, "good"),
        ("technical", {"globals": {"CCT": 3, "SST": 4}}, "fair"),
        ("technical", {"globals": {"CCT": 3, "SST": 3}}, "fair"),
        ("technical", {"globals": {"CCT": 2, "SST": 3}}, "below"),
        ("percent_cr", {"counts": {"SR": 5, "CR": 5}}, "good"),
        ("percent_cr", {"counts": {"SR": 51, "CR": 49}}, "fair"),
        ("percent_cr", {"counts": {"SR": 3, "CR": 2}}, "fair"),
        ("percent_cr", {"counts": {"SR": 61, "CR": 39}}, "below"),
        ("r_to_q", {"counts": {"SR": 6, "CR": 4, "Q": 5}}, "good"),
        ("r_to_q", {"counts": {"SR": 5, "CR": 4, "Q": 5}}, "fair"),
        ("r_to_q", {"counts": {"SR": 1, "CR": 4, "Q": 5}}, "fair"),
        ("r_to_q", {"counts": {"SR": 0, "CR": 4, "Q": 5}}, "below"),
    ],
)
def test_thresholds_at_their_edges(score: str, given_: dict[str, Any], level: str) -> None:
    thresholds: dict[Any, Any] = dict(summarize(parse_coding(given_)).thresholds)
    assert thresholds[score] == level


def test_no_thresholds_for_the_totals() -> None:
    assert set(THRESHOLDS) == {"relational", "technical", "percent_cr", "r_to_q"}


def test_reasons_in_chinese() -> None:
    summary = summarize(parse_coding({"globals": {"CCT": 9}, "counts": {"Q": 0, "SR": 0}}), "zh")
    assert (
        summary.undefined["technical"]
        == "未评分：软化持续语句; 评分不是 1 到 5 的整数：培养改变语句"
    )
    assert all(any("\u4e00" <= one <= "\u9fff" for one in t) for t in summary.undefined.values())


def test_the_ratio_of_the_papers_stands_apart() -> None:
    assert mi_adherent_ratio(summarize(totals())) == 6 / 9
    assert mi_adherent_ratio(summarize(coded([]))) is None
    assert mi_adherent_ratio(summarize(totals(AF=None))) is None
    assert not hasattr(summarize(totals()), "mi_adherent_ratio")


volleys = st.lists(st.lists(st.sampled_from([*CODES, None]), max_size=6), max_size=8)


@settings(deadline=None)
@given(volleys)
def test_no_count_exceeds_the_volleys_or_the_raw_count(some_volleys: list[Any]) -> None:
    summary = summarize(coded(*some_volleys))
    for code in CODES:
        count, raw = summary.counts[code], summary.raw_counts[code]
        assert count is not None and raw is not None
        assert 0 <= count <= min(raw, len(some_volleys))
        # Nothing is lost but what another code displaces.
        if code not in ("SR", "PERSUADE"):
            assert count == sum(code in volley for volley in some_volleys)
    assert summary.raw_counts == {
        code: sum(volley.count(code) for volley in some_volleys) for code in CODES
    }


@settings(deadline=None)
@given(volleys, st.data())
def test_a_code_once_more_changes_raw_counts_only(some_volleys: list[Any], data: Any) -> None:
    before = summarize(coded(*some_volleys))
    filled = [place for place, volley in enumerate(some_volleys) if any(volley)]
    if not filled:
        return
    place = data.draw(st.sampled_from(filled))
    code = data.draw(st.sampled_from([one for one in some_volleys[place] if one]))
    at = data.draw(st.integers(0, len(some_volleys[place])))
    more = [list(volley) for volley in some_volleys]
    more[place].insert(at, code)
    after = summarize(coded(*more))
    assert after.raw_counts == before.raw_counts | {code: (before.raw_counts[code] or 0) + 1}
    assert after.counts == before.counts
    assert after == summarize(coded(*[sorted(volley, key=str) for volley in more]))
    for name in ("percent_cr", "r_to_q", "mia", "mina", "thresholds", "undefined"):
        assert getattr(after, name) == getattr(before, name)


@settings(deadline=None)
@given(volleys)
def test_totals_copied_to_the_paper_form_give_the_same_scores(some_volleys: list[Any]) -> None:
    by_volleys = summarize(coded(*some_volleys))
    by_totals = summarize(parse_coding({"counts": by_volleys.counts}))
    for name in ("counts", "percent_cr", "r_to_q", "mia", "mina", "thresholds"):
        assert getattr(by_totals, name) == getattr(by_volleys, name)
