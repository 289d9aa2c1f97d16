"""Single rounds in every order, and what is done where something is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.ui.pipeline.round_rows import (
    CODES,
    NAME,
    ORDERS,
    comparisons,
    difference,
    ordered,
    pairs,
    read_rows,
    scores,
)
from mi_arena.ui.pipeline.rounds_html import rounds_html

BOTH = "tuned-base_prompted"


def row(number: int, rouge: float, **more: Any) -> dict[str, Any]:
    made = {
        "pair": "demo",
        "dialogue_id": "d1",
        "round": number,
        "client": "我<b>累</b>",
        "reference": "你很累。",
        "replies": {"base_prompted": "", "tuned": "<script>x</script>"},
        "scores": {"tuned": {"standard.rougeL": 12.0, "characters": 3}, "base_prompted": {}},
        "codes": {},
        "differences": {BOTH: {"standard.rougeL": rouge, "characters": 1, "is_empty": 0}},
    }
    return made | more


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_orders(values: list[float]) -> None:
    rows = [row(number, value) for number, value in enumerate(values)]
    for order, key in (
        ("most", lambda v: -v),
        ("least", lambda v: v),
        ("apart", lambda v: -abs(v)),
    ):
        found = ordered(rows, "demo", BOTH, "standard.rougeL", order)  # type: ignore[arg-type]
        told = [value for _, value in found]
        assert told == sorted(values, key=key)
        assert sorted(one["round"] for one, _ in found) == list(range(len(values)))
    as_given = ordered(rows, "demo", BOTH, "standard.rougeL", "as_given")
    assert [value for _, value in as_given] == values


@pytest.mark.parametrize("order", ORDERS)
def test_other_pairs_are_left_out_and_what_has_no_difference_comes_last(order: Any) -> None:
    coded = {"tuned": ["CR", "Q"], "base_prompted": ["Q", "Q", "GI"]}
    rows = [row(1, 1.0), row(2, 2.0, codes=coded), row(3, 0.0, pair="other", codes=coded)]
    assert scores(rows) == ["standard.rougeL", "characters", CODES]
    found = ordered(rows, "demo", BOTH, CODES, order)
    assert len(found) == 2 and found[-1 if order != "as_given" else 0][1] is None
    assert difference(rows[1], BOTH, CODES) == 3  # CR here, a Q and GI there
    assert pairs(rows) == ["demo", "other"] and comparisons(rows) == [BOTH]


def test_a_card_shows_texts_as_they_are_and_says_what_is_empty() -> None:
    html = rounds_html([(row(7, -2.5, codes={"tuned": []}), -2.5)], BOTH, "standard.rougeL", "en")
    assert "<script>" not in html and "&lt;script&gt;" in html and "<b>累" not in html
    for told in ("round 7", "-2.50", "(empty reply)", "no code", "Base + MI prompt", "ROUGE-L"):
        assert told in html


def test_files_are_read_anew_when_they_change_and_faults_show_nothing(tmp_path: Path) -> None:
    assert read_rows(tmp_path) == ()
    file = tmp_path / NAME
    file.write_text(json.dumps(row(1, 1.0)) + "\n", encoding="utf-8")
    assert [one["round"] for one in read_rows(tmp_path)] == [1]
    file.write_text("".join(json.dumps(row(n, 1.0)) + "\n" for n in (1, 2)), encoding="utf-8")
    assert [one["round"] for one in read_rows(tmp_path)] == [1, 2]
    file.write_text('{"torn', encoding="utf-8")
    assert read_rows(tmp_path) == ()
