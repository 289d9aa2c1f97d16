from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.miti.agreement import (
    BadRatings,
    ItemAgreement,
    Rating,
    agreement,
    cicchetti_band,
    known_item,
    near_known,
)
from mi_arena.miti.alpha import Level
from mi_arena.miti.items import CODES, GLOBALS, SCORES

ROOT = Path(__file__).resolve().parents[2]
ANNOMI = ROOT.parent / "shared" / "data" / "annomi_full.csv.gz"
MI_ZH = ROOT / "mi_arena" / "assets" / "mi_zh"

SHROUT_FLEISS = ["9258", "6132", "8468", "7126", "X569", "6247"]
"""X for 10."""


def ratings(item: str, table: list[str]) -> list[Rating]:
    """A row a target, a character a rater; ``.`` where a rating is missing."""
    return [
        Rating(item, f"t{target}", f"r{rater}", {"X": "10", ".": ""}.get(value, value))
        for target, row in enumerate(table)
        for rater, value in enumerate(row)
    ]


def test_every_coefficient_of_an_interval_item() -> None:
    found = agreement(ratings("score", SHROUT_FLEISS))["score"]
    assert (found.level, found.n_targets, found.n_raters) == ("interval", 6, 4)
    for name, value in (("icc_11", 0.17), ("icc_a1", 0.29), ("icc_c1", 0.71)):
        assert round(getattr(found, name).value, 2) == value
    # Of the 36 pairs 8 8 alone are equal; one apart: 9 8, 3 2, 1 2, 1 2, 7 6, 5 6, 10 9, 6 7.
    assert found.exact == pytest.approx(1 / 36)
    assert found.within_one == pytest.approx(9 / 36)
    assert found.alpha.value is not None and found.weighted_kappa.value is not None
    assert found.kappa.value is None and "weighted_kappa" in (found.kappa.reason or "")
    assert (found.band, found.band_of) == ("poor", "icc_a1")


def test_a_nominal_item_has_kappa_and_alpha_alone() -> None:
    table = ["QQ"] * 20 + ["QR"] * 5 + ["RQ"] * 10 + ["RR"] * 15
    found = agreement(ratings("code", table))["code"]
    assert found.level == "nominal"
    assert found.kappa.value == pytest.approx(0.40)
    assert found.alpha.value is not None
    assert (found.exact, found.within_one) == (35 / 50, None)
    assert (found.band, found.band_of) == ("fair", "kappa")
    for other in (found.icc_a1, found.icc_c1, found.icc_11, found.weighted_kappa):
        assert other.value is None and other.reason and "nominal" in other.reason


@pytest.mark.parametrize(
    ("item", "table", "band", "band_of"),
    [
        ("CCT", ["12", "23", "45", "55"], "excellent", "icc_a1"),
        # Nobody rated all: ICC(A,1) is undefined, alpha is not.
        ("CCT", ["11.", "22.", ".44", ".55", "5.4"], "excellent", "alpha"),
        ("code", ["QQ.", "RR.", ".QQ", ".RR"], "excellent", "alpha"),
        ("CCT", ["33", "33", "33"], None, None),
        ("code", ["QQ", "QQ"], None, None),
        ("code", ["Q", "R"], None, None),
    ],
)
def test_the_band_tells_which_coefficient_it_is_of(
    item: str, table: list[str], band: str | None, band_of: str | None
) -> None:
    found = agreement(ratings(item, table))[item]
    assert (found.band, found.band_of) == (band, band_of)


@pytest.mark.parametrize(
    ("value", "band"),
    [
        (-1.0, "poor"),
        (0.39999, "poor"),
        (0.40, "fair"),
        (0.59999, "fair"),
        (0.60, "good"),
        (0.74999, "good"),
        (0.75, "excellent"),
        (1.0, "excellent"),
    ],
)
def test_bands_of_cicchetti(value: float, band: str) -> None:
    assert cicchetti_band(value) == band


@pytest.mark.parametrize(
    ("item", "given", "level"),
    [
        ("CCT", None, "ordinal"),
        ("SST", None, "ordinal"),
        ("PARTNERSHIP", None, "ordinal"),
        ("EMPATHY", None, "ordinal"),
        ("CCT", "interval", "interval"),
        ("PERSUADE_WITH", None, "interval"),
        ("percent_cr", None, "interval"),
        ("warmth", None, "interval"),
        ("warmth", "ordinal", "ordinal"),
        ("code", None, "nominal"),
        ("utterance", None, "nominal"),
        ("utterance_code", None, "nominal"),
        ("code:CR", "nominal", "nominal"),
    ],
)
def test_the_level_of_an_item(item: str, given: Level | None, level: Level) -> None:
    levels: dict[str, Level] = {item: given} if given else {}
    assert agreement(ratings(item, ["12", "22"]), levels)[item].level == level


def test_items_stand_in_the_order_in_which_they_first_come() -> None:
    rows = [*ratings("SST", ["12"]), *ratings("CCT", ["12"]), *ratings("SST", [".", ".", "3"])[2:]]
    assert list(agreement(rows)) == ["SST", "CCT"]


def test_missing_ratings_are_not_counted() -> None:
    rows = [
        *ratings("CCT", ["12", "23", "4.", ".."]),
        Rating("CCT", "t9", "r0", None),
        Rating("CCT", "t9", "r1", float("nan")),
        Rating("CCT", "t9", "r7", "  "),
        *(Rating("SST", "t1", rater, "") for rater in "ab"),
    ]
    found = agreement(rows)
    assert (found["CCT"].n_targets, found["CCT"].n_raters) == (3, 2)
    assert found["CCT"].icc_a1.n_targets == found["CCT"].alpha.n_targets == 2
    nothing = found["SST"]
    assert (nothing.n_targets, nothing.n_raters, nothing.exact, nothing.band) == (0, 0, None, None)
    assert nothing.icc_a1.reason and nothing.alpha.reason and nothing.weighted_kappa.reason


def test_categories_that_are_numbers_and_words() -> None:
    rows = [
        Rating("topic", target, rater, value)
        for target, values in {
            "a": ("1", "1.0"),
            "b": ("other", " other "),
            "c": ("2", "x"),
        }.items()
        for rater, value in zip("pq", values, strict=True)
    ]
    assert agreement(rows, {"topic": "nominal"})["topic"].exact == 2 / 3


@pytest.mark.parametrize(
    ("rows", "levels", "told"),
    [
        (
            [Rating("CCT", "s1", "ann", 3, "line 2"), Rating("CCT", "s1", "ann", "", "line 5")],
            {},
            ["line 5", "item CCT", "target s1", "rater ann", "second rating", "line 2"],
        ),
        (
            [Rating("CCT", "s1", "ann", "three", "line 2")],
            {},
            ["line 2", "item CCT", "'three'", "not a number", "--level CCT=nominal"],
        ),
        ([Rating("mood", "s1", "ann", "NaN", "line 2")], {}, ["'NaN'", "--level mood=nominal"]),
        ([Rating("mood", "s1", "ann", "inf", "line 2")], {"mood": "ordinal"}, ["'inf'"]),
        ([Rating("mood", "s1", "ann", "4")], {"mod": "ordinal"}, ["mod,", "mood"]),
    ],
)
def test_bad_ratings_are_told_in_one_line(
    rows: list[Rating], levels: dict[str, Level], told: list[str]
) -> None:
    with pytest.raises(BadRatings) as caught:
        agreement(rows, levels)
    message = str(caught.value)
    assert "\n" not in message
    for part in told:
        assert part in message


@pytest.mark.parametrize(
    ("items", "possible", "impossible", "told"),
    [
        (GLOBALS, "1 2 3 4 5 4.0", "0 6 -1 3.5 5.001 45", "a whole number from 1 to 5"),
        (CODES, "0 1 7.0 100000", "-1 1.5 -0.5 100001", "a whole number from 0 to 100000"),
        (("technical", "relational"), "1 3.5 4.25 5", "0 0.99 5.5 -3", "between 1 and 5"),
        (("percent_cr",), "0 66.7 100", "-0.1 100.1 4000", "between 0 and 100"),
        (("r_to_q", "mia", "mina"), "0 0.5 12", "-1 -0.01", "0 or more"),
    ],
)
def test_a_number_that_an_item_cannot_have_is_told_with_its_place(
    items: tuple[str, ...], possible: str, impossible: str, told: str
) -> None:
    for item in items:
        for value in possible.split():
            rows = [Rating(item, "s1", "ann", value), Rating(item, "s1", "bob", float(value))]
            assert agreement(rows)[item].exact == 1
        for value in impossible.split():
            given: list[str | float] = [value, float(value)]
            for wrong in given:
                with pytest.raises(BadRatings) as caught:
                    agreement([Rating(item, "s1", "ann", wrong, "line 4")])
                message = str(caught.value)
                assert message.startswith(f"line 4, item {item}, target s1, rater ann: ")
                assert f"the value '{wrong}' is not {told}; correct it, leave it empty" in message


def test_only_an_unknown_item_may_have_any_number() -> None:
    assert agreement(ratings("warmth", ["0X", "X0"]))["warmth"].exact == 0
    assert agreement([Rating("empathy!", "s1", "ann", -7.5)])["empathy!"].n_targets == 1
    # Categories of a global may be words, but a number is a rating at any level.
    words = [Rating("CCT", "s1", "ann", "low"), Rating("CCT", "s1", "bob", "low")]
    assert agreement(words, {"CCT": "nominal"})["CCT"].exact == 1
    for level in ("nominal", "ordinal", "interval"):
        with pytest.raises(BadRatings, match="'7' is not a whole number from 1 to 5"):
            agreement([Rating("CCT", "s1", "ann", "7")], {"CCT": level})


KNOWN = (*GLOBALS, *CODES, *SCORES, "code", "utterance", "utterance_code")


@given(st.data())
def test_a_known_item_is_known_in_every_spelling(data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(KNOWN))
    separators = st.text(" _-", max_size=2)
    spelt = data.draw(separators)
    for letter in item.replace("_", ""):
        case = data.draw(st.sampled_from([str.upper, str.lower]))
        spelt += case(letter) + data.draw(separators)
    assert known_item(spelt) == item
    assert near_known(spelt) is None


@pytest.mark.parametrize("name", ["warmth", "EMPHATY", "code:CR", "CR 2", "R:Q", "话语", "-", ""])
def test_an_unknown_item_keeps_its_name(name: str) -> None:
    assert known_item(name) == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EMPHATY", "EMPATHY"),
        ("emphaty", "EMPATHY"),
        ("Partner-shp", "PARTNERSHIP"),
        ("percent cr %", "percent_cr"),
        ("EMPHASISE", "EMPHASIZE"),
        ("PERSUADE WTH", "PERSUADE_WITH"),
        ("codes", "code"),
        ("CRR", "CR"),
        # Three quarters and two thirds alike are not enough.
        ("code:CR", None),
        ("CTT", None),
        ("warmth", None),
        ("话语", None),
        ("EMPATHY", None),
        ("Empathy", None),
    ],
)
def test_a_name_near_a_known_one(name: str, meant: str | None) -> None:
    assert near_known(name) == meant


TABLES = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.text("12345.", min_size=raters, max_size=raters), min_size=2, max_size=7
    )
)


@given(TABLES, st.sampled_from(["CCT", "GI", "code"]), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_names_of_raters_and_order_of_rows_change_nothing(
    table: list[str], item: str, seed: int
) -> None:
    rows = ratings(item, table)
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    # r0, r1, ... come out in reverse.
    renamed = [row._replace(rater=f"z{9 - int(row.rater[1:])}") for row in shuffled]
    assert _rounded(agreement(renamed)[item]) == _rounded(agreement(rows)[item])


def _rounded(found: ItemAgreement) -> list[object]:
    """Everything in it; sums in another order may differ in the last digit."""
    flat: list[object] = []
    for value in vars(found).values():
        if hasattr(value, "ci_low"):
            flat += [value.reason, value.n_targets]
            numbers = [value.value, value.ci_low, value.ci_high]
        else:
            numbers = [value]
        flat += [pytest.approx(n, abs=1e-7) if isinstance(n, float) else n for n in numbers]
    return flat


def test_codes_of_the_second_coder_of_mi_zh() -> None:
    """Numbers of the README beside the dialogues."""
    first: dict[str, dict[str, object]] = {}
    for name in ("train.jsonl", "test.jsonl"):
        first |= {one["id"]: one for one in _lines(MI_ZH / name)}
    rows: list[Rating] = []
    for again in _lines(MI_ZH / "second_coder.jsonl"):
        for rater, coding in (("first", first[again["id"]]), ("second", again)):
            rows += _codes(rater, coding)
    assert len(rows) == 2 * 688
    found = agreement(rows)["code"]
    assert (found.n_targets, found.n_raters) == (688, 2)
    assert found.kappa.value == pytest.approx(0.945, abs=5e-4)
    assert found.exact == pytest.approx(0.95, abs=5e-3)
    assert (found.band, found.band_of) == ("excellent", "kappa")


def _lines(path: Path) -> Iterator[dict]:  # type: ignore[type-arg]
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _codes(rater: str, coding: dict) -> Iterator[Rating]:  # type: ignore[type-arg]
    for turn, message in enumerate(coding["messages"]):
        for place, utterance in enumerate(message.get("utterances", [])):
            target = f"{coding['id']}/{turn}/{place}"
            # Not coded is an answer too, not a missing one.
            yield Rating("code", target, rater, utterance["code"] or "none")


@pytest.mark.skipif(not ANNOMI.is_file(), reason=f"NOT CHECKED: there is no {ANNOMI.name}")
@pytest.mark.parametrize(
    ("column", "value"), [("main_therapist_behaviour", 0.74), ("reflection_subtype", 0.50)]
)
def test_ten_annotators_of_annomi(column: str, value: float) -> None:
    with gzip.open(ANNOMI, "rt", encoding="utf-8", newline="") as file:
        rows = [
            Rating(
                column, f"{row['transcript_id']}/{row['utterance_id']}", row["annotator_id"], code
            )
            for row in csv.DictReader(file)
            if row["transcript_id"] in {"7", "27", "55", "56", "66", "109", "130"}
            and row["interlocutor"] == "therapist"
            and (code := row[column])
        ]
    found = agreement(rows, {column: "nominal"})[column]
    assert (found.n_targets, found.n_raters) == (216, 10)
    assert found.kappa.value == pytest.approx(value, abs=5e-3)
    # With all ratings there and this many of them, alpha is kappa but for its small correction.
    assert found.alpha.value == pytest.approx(found.kappa.value, abs=1e-3)
