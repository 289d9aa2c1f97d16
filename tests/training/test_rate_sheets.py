"""The sheet for people and back, through what spreadsheets do to a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.dialogue import Message
from mi_arena.jobs.script import BadInput
from tests.training.rate_stand_in import small_sample
from training.rate.rubric import DIMENSIONS
from training.rate.sampling import Sample, Sampled
from training.rate.sheets import LONGEST_CELL, as_csv, blank_sheet, inert, read_sheet, too_long

GIVEN = {"comprehensiveness": 2, "professionalism": 4, "authenticity": 3, "safety": 1}


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return small_sample(tmp_path, number=1)


def filled(
    sample: Sample, cells: list[list[str]], rater: list[str] | None = None
) -> list[list[str]]:
    """The blank sheet's rows with scores and comment in the first of them."""
    rows = list(csv.reader(io.StringIO(blank_sheet(sample.items).removeprefix("\ufeff"))))
    for row, own in zip(rows[1:], cells, strict=False):
        row[3:] = own
    if rater is not None:
        rows = [[*row, name] for row, name in zip(rows, ["评分人", *rater], strict=True)]
    return rows


def text_of(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


FULL = ["2", "4", "3", "1", "好"]
SAVED: dict[str, Callable[[list[list[str]]], bytes]] = {
    "plain": lambda rows: text_of(rows).encode(),
    "with a mark": lambda rows: text_of(rows).encode("utf-8-sig"),
    "semicolons": lambda rows: text_of(rows, ";").encode("utf-8-sig"),
    "tabs in UTF-16": lambda rows: text_of(rows, "\t").encode("utf-16"),
    "GBK": lambda rows: text_of(rows).encode("gbk"),
    "GBK, semicolons": lambda rows: text_of(rows, ";").encode("gbk"),
    "sep line": lambda rows: b"sep=;\r\n" + text_of(rows, ";").encode(),
    "unix lines": lambda rows: text_of(rows).replace("\r\n", "\n").encode(),
    "blank rows and cells": lambda rows: text_of(
        [[*row, "", ""] for row in rows] + [[], [""] * 9]
    ).encode(),
}


@pytest.mark.parametrize("how", SAVED)
def test_however_it_was_saved(sample: Sample, tmp_path: Path, how: str) -> None:
    path = tmp_path / "张三.csv"
    path.write_bytes(SAVED[how](filled(sample, [FULL])))
    (found,) = read_sheet(path, [item.blind_id for item in sample.items]).ratings
    assert (found.rater, found.blind_id) == ("张三", sample.items[0].blind_id)
    assert (found.scores, found.comment) == (GIVEN, "好")
    assert found.where == "张三.csv, row 2"


@pytest.mark.parametrize(
    ("cell", "score"),
    [("2", 2), (" 2 ", 2), ("２", 2), ("2.0", 2), ("2.", 2), ("\u30002\u00a0", 2), ("'2", None)]
    + [(cell, None) for cell in ("3", "-1", "1.5", "two", "1-2", "2分", "1e0", "½", "²0", "9" * 9)],
)
def test_cells(sample: Sample, tmp_path: Path, cell: str, score: int | None) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text_of(filled(sample, [[cell, "", "", "", ""]])), encoding="utf-8")
    ids = [item.blind_id for item in sample.items]
    if score is not None:
        assert read_sheet(path, ids).ratings[0].scores == {"comprehensiveness": score}
        return
    with pytest.raises(BadInput) as error:
        read_sheet(path, ids)
    assert str(error.value).startswith(f"{path}: row 2, column comprehensiveness: ")
    assert str(error.value).endswith("is not a whole number from 0 to 2")


def test_all_that_is_wrong_is_told_at_once(sample: Sample, tmp_path: Path) -> None:
    rows = filled(sample, [["9", "9", "9", "9", ""], FULL, FULL, FULL], ["a", "b", "", "d"])
    rows[2][0], rows[4][0] = "D999-XXXX", ""
    path = tmp_path / "r.csv"
    path.write_text(text_of(rows), encoding="utf-8")
    with pytest.raises(BadInput) as error:
        read_sheet(path, [item.blind_id for item in sample.items])
    told = str(error.value)
    assert "\n" not in told
    assert "row 2, column safety: '9' is not a whole number from 0 to 1" in told
    assert "row 3, column blind_id: 'D999-XXXX' is no dialogue of this sample" in told
    assert told.endswith("and 2 more")


def test_raters_in_a_column(sample: Sample, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    rows = filled(sample, [FULL, ["", "", "", "", "没看懂"], ["", "1", "", "", ""]], list("abcd"))
    path.write_text(text_of(rows), encoding="utf-8")
    sheet = read_sheet(path, [item.blind_id for item in sample.items])
    assert sheet.names_raters
    # A row without a score is no rating.
    assert [(one.rater, one.scores) for one in sheet.ratings] == [
        ("a", GIVEN),
        ("c", {"professionalism": 1}),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04...", "is a workbook"),
        (b"\xff\xff\x80\x00", "is neither UTF-8 nor GBK"),
        (b"a,b\n1,2\n", "is not a rating sheet"),
        (
            b"blind_id,comprehensiveness,professionalism,authenticity\nD,1,1,1\n",
            "has no column safety",
        ),
        (b'blind_id,"comprehensiveness\n', "is not a rating sheet"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_sheet(path, [])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@settings(deadline=None)
@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    assert not inert(text).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    assert inert(text) in (text, f"'{text}")


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2))
)
def test_a_table_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    text = as_csv(["a", "b"], rows)
    read = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert read[1:] == [[inert(cell) for cell in row] for row in rows]


def test_formulas_and_long_dialogues_in_the_sheet(sample: Sample) -> None:
    def saying(text: str) -> Sampled:
        item = sample.items[0]
        messages = [Message(role="client", content=text)]
        dialogue = item.dialogue.model_copy(update={"messages": messages})
        return Sampled(item.blind_id, item.corpus, ("flagged",), dialogue)

    long = saying("长" * 40_000)
    assert too_long(long)
    assert not too_long(saying("=1+1"))
    rows = list(csv.reader(io.StringIO(blank_sheet([saying("=1+1\n=2"), long]))))
    assert rows[1][1:3] == ["来访者：=1+1\n=2", "是"]
    assert LONGEST_CELL < len(rows[2][1]) < 32_767
    assert rows[2][1].endswith("全文见 sample.jsonl）")
    assert [cell.split()[0] for cell in rows[0][3:7]] == [one.name for one in DIMENSIONS]
