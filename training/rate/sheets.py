"""The rating sheet that people fill in a spreadsheet, and filled ones read back.

Knows what spreadsheets do to a CSV file: semicolons, GBK, UTF-16, full-width digits, blanks,
numbers with decimals. Nothing of how ratings are used.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mi_arena.jobs.script import BadInput, first_line
from training.rate.rubric import DIMENSIONS, Dimension
from training.rate.sampling import Sampled, spoken

LONGEST_CELL = 32_000
"""Characters; a spreadsheet's cell ends at 32,767 and spills the rest over its neighbours."""
CUT = "\n\n……（太长，此处截断；全文见 sample.jsonl）"
BLIND_ID, DIALOGUE, CRISIS, COMMENT, RATER = "blind_id", "dialogue", "crisis", "comment", "rater"
INTRODUCTION = """\
# 评分说明

在 for_raters.csv 里给每段对话打四个分，一行一段；看不清的可以空着，也可以写备注。编号不要改。
不必知道对话出自哪个语料，也请不要与别人商量。crisis 一栏写着“是”的对话涉及自伤、受虐等内容，
读着不适可以随时停下或跳过。填好后存为 CSV，文件名写评分人的代号（不要写真名）。

"""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_SHOWN_PROBLEMS = 5
_COLUMN_NAMES = {
    BLIND_ID: (BLIND_ID, "编号"),
    COMMENT: (COMMENT, "备注"),
    RATER: (RATER, "评分人"),
    **{one.name: (one.name, one.zh) for one in DIMENSIONS},
}
_WHOLE = re.compile(r"[0-9]{1,3}(?:\.0*)?")


class Sheet(NamedTuple):
    """What a filled sheet holds."""

    ratings: list[HumanRating]
    names_raters: bool
    """Whether it has a column of raters; otherwise its own name is its rater's."""


class HumanRating(NamedTuple):
    """What one person gave one dialogue."""

    rater: str
    blind_id: str
    scores: dict[str, int]
    """By dimension; those left empty are not there."""
    comment: str
    where: str
    """File and row, for messages."""


def inert(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV with a byte order mark, without which Excel guesses the encoding wrongly."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(inert(cell) if isinstance(cell, str) else cell for cell in row)
    return "\ufeff" + out.getvalue()


def blank_sheet(items: Sequence[Sampled]) -> str:
    """The sheet to fill in, a row for each dialogue."""
    header = [BLIND_ID, DIALOGUE, CRISIS]
    header += [f"{one.name} {one.zh} 0–{one.most}" for one in DIMENSIONS] + [COMMENT]
    empty = [""] * (len(DIMENSIONS) + 1)
    return as_csv(
        header,
        (
            [item.blind_id, _cell(item), "是" if item.crisis else "", *empty]
            for item in items
        ),
    )  # fmt: skip


def too_long(item: Sampled) -> bool:
    """Whether the sheet shows only the beginning."""
    return len(_text(item)) > LONGEST_CELL


def read_sheet(path: Path, known: Iterable[str]) -> Sheet:
    """The ratings of a filled sheet, in its order; rows without a score are none.

    The rater stands in a column ``rater``, or is the file's name. Raises ``BadInput`` in one line
    that names the first cells that cannot be, by file, row and column; rows count as a spreadsheet
    shows them.
    """
    rows = _rows(path)
    places = _places(path, rows[0])
    ids = {blind_id.casefold(): blind_id for blind_id in known}
    found, problems = [], []
    for number, cells in enumerate(rows[1:], 2):
        row = {name: cells[at] for name, at in places.items() if at < len(cells)}
        comment = _without_apostrophe(row.pop(COMMENT, "").strip())
        row = {name: _plain(cell) for name, cell in row.items()}
        scores: dict[str, int] = {}
        for dimension in DIMENSIONS:
            if not (cell := row.get(dimension.name, "")):
                continue
            if (score := _score(cell, dimension)) is None:
                problems.append(
                    f"row {number}, column {dimension.name}: {cell[:20]!r} is not "
                    f"{dimension.range_words}"
                )
            else:
                scores[dimension.name] = score
        blind_id = ids.get(row.get(BLIND_ID, "").casefold())
        named = row.get(RATER, "") if RATER in places else path.stem
        if scores and blind_id is None:
            given = row.get(BLIND_ID, "")
            problems.append(
                f"row {number}, column {BLIND_ID}: "
                + (f"{given[:20]!r} is no dialogue of this sample" if given else "is empty")
            )
        if scores and not named:
            problems.append(f"row {number}, column {RATER}: is empty")
        if scores and blind_id and named:
            where = f"{path.name}, row {number}"
            found.append(HumanRating(named, blind_id, scores, comment, where))
    raise_problems(path, problems)
    return Sheet(found, RATER in places)


def raise_problems(path: Path, problems: Sequence[str]) -> None:
    """``BadInput`` with the first of them, if there are any."""
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise BadInput(f"{path}: {shown}")


def _text(item: Sampled) -> str:
    return "\n\n".join(f"{who}：{text}" for who, text in spoken(item.dialogue))


def _cell(item: Sampled) -> str:
    text = _text(item).replace("\x00", "")
    return text[:LONGEST_CELL] + CUT if too_long(item) else text


def _rows(path: Path) -> list[list[str]]:
    text = _decoded(path)
    first, _, rest = text.partition("\n")
    separator = None
    if found := re.fullmatch(r'"?sep=(.)"?\s*', first):
        separator, text = found[1], rest
    last_error = "it has no column blind_id"
    best: list[list[str]] = []
    for candidate in (separator,) if separator else (",", ";", "\t", "；", "，"):
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=candidate, strict=True))
        except csv.Error as error:
            last_error = first_line(error)
            continue
        # With a wrong separator the header is one cell, whose first word may be right.
        if rows and BLIND_ID in _named(rows[0]) and (not best or len(rows[0]) > len(best[0])):
            best = rows
    if best:
        return best
    if not text.strip():
        raise BadInput(f"{path}: is empty")
    raise BadInput(
        f"{path}: is not a rating sheet ({last_error}); fill in for_raters.csv and save it as CSV"
    )


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    if raw.startswith(b"PK\x03\x04"):
        raise BadInput(f"{path}: is a workbook (.xlsx), not CSV; save it as CSV UTF-8")
    utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise BadInput(f"{path}: is neither UTF-8 nor GBK text; save it as CSV UTF-8")


def _places(path: Path, header: Sequence[str]) -> dict[str, int]:
    named = _named(header)
    for name in (BLIND_ID, *(one.name for one in DIMENSIONS)):
        if named.count(name) != 1:
            how = "no" if name not in named else "more than one"
            raise BadInput(f"{path}: has {how} column {name}; keep the header of for_raters.csv")
    return {name: named.index(name) for name in _COLUMN_NAMES if name in named}


def _named(header: Sequence[str]) -> list[str]:
    """The column that each cell of a header means, or ''.

    A header's first word counts: ``safety 安全性 0–1``.
    """
    words = [(_plain(cell).casefold().split() or [""])[0] for cell in header]
    return [
        next((name for name, known in _COLUMN_NAMES.items() if word in known), "") for word in words
    ]


def _plain(cell: str) -> str:
    """Without blanks around it, the apostrophe of ``inert``, and full-width forms."""
    return _without_apostrophe(unicodedata.normalize("NFKC", cell).replace("\ufeff", "").strip())


def _without_apostrophe(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _score(cell: str, dimension: Dimension) -> int | None:
    if not _WHOLE.fullmatch(cell):
        return None
    score = int(float(cell))
    return score if score <= dimension.most else None
