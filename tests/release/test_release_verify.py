"""Whoever holds a release can check it: what was changed in it is told, and by what."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ArrowException

from mi_arena.release.build import build
from mi_arena.study.__main__ import main as study_main
from mi_arena.study.told import BattleTold, CodingTold, JudgementTold
from tests.release.small_study import SmallStudy
from tests.release.tampering import (
    Rows,
    change_epoch,
    epochs_of,
    only,
    problems_of,
    rewritten,
    swapped,
    verify,
    with_all,
)


def test_it_holds(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = verify(capsys, release)
    assert code == 0 and told["holds"]
    closed, still_open, other = told["epochs"]
    assert (closed["begun"], closed["battles"], closed["gaps"]) == (13, 9, [1, 10, 11, 12])
    assert closed["withheld"] == {
        "withdrawn": 1, "crisis": 1, "not_judged": 1, "crisis_found": 1,
    }  # fmt: skip
    assert still_open["open"] and still_open["begun"] is None
    assert (other["begun"], other["battles"], other["gaps"]) == (1, 0, [0])
    opened = epochs_of(release)[1]
    assert opened["seed"] is opened["served"] is None and len(opened["seed_commitment"]) == 64
    assert study_main(["verify", str(release)]) == 0
    assert "indices 1, 10-12" in capsys.readouterr().out


@pytest.mark.parametrize("row", range(3))
def test_a_flipped_side_is_told_by_its_battle(
    copy: Path, capsys: pytest.CaptureFixture[str], row: int
) -> None:
    def flip(battles: Rows) -> Rows:
        battles[row]["tuned_side"] = {"A": "B", "B": "A"}[battles[row]["tuned_side"]]
        flipped.append(battles[row]["battle"])
        return battles

    flipped: list[str] = []
    rewritten(copy, flip)
    code, told = verify(capsys, copy)
    assert code == 4 and not told["holds"]
    problems = told["epochs"][0]["problems"]
    # By the seed, and by what its judgement says.
    assert [one["battle"] for one in problems] == flipped * 2
    assert study_main(["verify", str(copy)]) == 4
    assert flipped[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"seed": "ab" * 32}, "its seed is not the one"),
        ({"seed_commitment": "ab" * 32}, "its seed is not the one"),
        ({"seed": None, "no_seed_because": "lost"}, "its seed is not told: lost"),
        ({"served": {"pair": "another"}}, "fingerprint"),
        ({"battles": 14}, "of 14 battles 5 are not in the release, and it names reasons for 4"),
        ({"battles": 9}, "has index 9; 9 battles were begun"),
        ({"battles": 9, "doubled": [0]}, "has index 8; 9 battles were begun"),
        ({"doubled": [12]}, "index 12 is told as doubled, and was not given"),
        ({"withheld": {}}, "names reasons for 0"),
    ],
)
def test_a_wrong_epoch(
    copy: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], wanted: str
) -> None:
    change_epoch(copy, **changes)
    code, told = verify(capsys, copy)
    assert code == 4
    assert any(wanted in one["what"] for one in told["epochs"][0]["problems"])
    assert verify(capsys, copy, "--epoch", told["epochs"][1]["epoch"])[0] == 0


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda battles: battles[1:], "of 13 battles 5 are not in the release"),
        (with_all(allocation_index=0), "has index 0 with another"),
        (with_all(epoch="no-such-1"), "is not in epochs.json"),
    ],
)
def test_wrong_battles(
    copy: Path, capsys: pytest.CaptureFixture[str], change: Any, wanted: str
) -> None:
    rewritten(copy, change)
    code, told = verify(capsys, copy)
    assert code == 4
    assert any(wanted in what for what in problems_of(told)), problems_of(told)


def the_other(column: str, one: str, two: str) -> Callable[[Rows], Rows]:
    """Every row with the other of two values."""
    return lambda rows: [row | {column: two if row[column] == one else one} for row in rows]


NOWHERE = {"battle": "0" * 16}
FORGERIES: dict[str, tuple[str, Callable[[Rows], Rows], str]] = {
    "a second judgement of each battle": (
        "judgements",
        lambda rows: [*rows, *(swapped(r) | {"judgement": f"x{n}"} for n, r in enumerate(rows))],
        "has 2 judgements, not one",
    ),
    "no judgement": (
        "judgements",
        lambda rows: [row for row in rows if row["about"] == "match"],
        "has 0 judgements, not one",
    ),
    "all prefer the tuned one": ("judgements", with_all(preferred="tuned"), "prefers tuned, by"),
    "sides of judgements": ("judgements", only("battle", swapped), "unlike its battle"),
    "systems of matches": (
        "judgements",
        only("match", lambda row: row | {"b_system": row["a_system"]}),
        "unlike its battle",
    ),
    "judgements of battles that are nowhere": (
        "judgements",
        lambda rows: [*rows, *(r | NOWHERE | {"judgement": f"x{n}"} for n, r in enumerate(rows))],
        "is of a battle that is not in the release",
    ),
    "matches of battles that are nowhere": (
        "judgements",
        only("match", lambda row: row | NOWHERE),
        "is of a battle that is not in the release",
    ),
    "an import that names the epoch": (
        "judgements",
        lambda rows: [row | {"epoch": max(r["epoch"] or "" for r in rows)} for row in rows],
        "names an epoch, and is of no battle",
    ),
    "a match of no match": (
        "judgements", only("match", lambda row: row | {"match": None}), "is of no match",
    ),
    "a verdict given twice": (
        "judgements",
        lambda rows: [*rows, *(row | {"judgement": row["judgement"] + "x"} for row in rows)],
        "is its rater's second of match",
    ),
    "judgements of another epoch": (
        "judgements",
        only("battle", lambda row: row | {"epoch": "another"}),
        "is of epoch another, its battle of",
    ),
    "judgements of another pair": ("judgements", with_all(pair="x"), "is of pair x, its battle of"),
    "judgements by others": ("judgements", with_all(rater="x"), "by another rater than its battle"),
    "ids of judgements": ("judgements", with_all(judgement="x"), "judgement x is there twice"),
    "ids of battles": ("battles", with_all(battle="x"), "battle x is there twice"),
    "battles of another pair": ("battles", with_all(pair="x"), "is of pair x, its epoch of"),
    "systems of codings": ("codings", the_other("system", "base", "tuned"), "unlike its battle"),
    "sides of codings": ("codings", the_other("side", "A", "B"), "unlike its battle"),
    "codings of battles that are nowhere": (
        "codings", with_all(**NOWHERE), "is of a battle that is not in the release",
    ),
    "codings of another epoch": ("codings", with_all(epoch="x"), "is of epoch x, its battle of"),
    "ids of codings": ("codings", with_all(coding="x"), "coding x is there twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_rows_that_were_forged(closed: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    table, change, wanted = FORGERIES[name]
    assert verify(capsys, closed)[0] == 0
    rewritten(closed, change, table)
    code, told = verify(capsys, closed)
    assert code == 4 and not told["holds"]
    assert any(wanted in what for what in problems_of(told)), problems_of(told)
    assert study_main(["verify", str(closed)]) == 4
    assert wanted in capsys.readouterr().out


def test_a_battle_that_was_withdrawn_and_is_there(
    closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: Rows = []
    rewritten(closed, lambda battles: rows.extend(battles) or battles)
    stone = {"battle": rows[0]["battle"], "withdrawn_on": "2026-01-01"}
    (closed / "tombstones.jsonl").write_text(json.dumps(stone) + "\n")
    code, told = verify(capsys, closed)
    assert code == 4 and problems_of(told) == ["is there and was withdrawn by its tombstone"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"seed": "ab" * 32}, "its seed is told, and it is open"),
        ({"served": {}}, "its served is told"),
        ({"battles": 0}, "its battles is told"),
        ({"withheld": {}}, "its withheld is told"),
        ({"doubled": [0]}, "its doubled is told"),
    ],
)
def test_an_open_epoch_that_tells_more_than_its_commitment(
    closed: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], wanted: str
) -> None:
    change_epoch(closed, 1, **changes)
    code, told = verify(capsys, closed)
    assert code == 4 and any(wanted in what for what in problems_of(told))


def test_an_epoch_that_stands_twice(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (closed / "epochs.json").write_text(json.dumps(epochs_of(closed) * 2))
    code, told = verify(capsys, closed)
    assert code == 4 and "stands twice in epochs.json" in problems_of(told)


# ---- values that no release has


@pytest.mark.parametrize("value", [None, 0.5, "0", True])
def test_an_index_that_is_none(
    closed: Path, capsys: pytest.CaptureFixture[str], value: object
) -> None:
    rewritten(closed, with_all(allocation_index=value), typed=False)
    code, line = verify(capsys, closed)
    assert code == 2 and "allocation_index" in line and line.count("\n") == 1


@pytest.mark.parametrize("index", [10**15, 2**63 - 1, -1, -(2**63)])
def test_an_index_out_of_bounds_costs_nothing(
    closed: Path, capsys: pytest.CaptureFixture[str], index: int
) -> None:
    rewritten(closed, lambda rows: [rows[0] | {"allocation_index": index}, *rows[1:]])
    began = time.process_time()
    code, told = verify(capsys, closed)
    assert code == 4 and time.process_time() - began < 2
    assert any(f"has index {index}; 7 battles were begun" in what for what in problems_of(told))


@pytest.mark.parametrize(
    "changes",
    [
        {"battles": 10**15}, {"battles": 10**30}, {"battles": -1}, {"battles": "7"},
        {"withheld": {"crisis": -1}}, {"doubled": [-1]}, {"doubled": None},
        {"served": {"temperature": float("nan")}},
        {"served": {"temperature": float("inf")}}, {"seed": "ab"}, {"seed_commitment": None},
        {"opened_on": "soon"}, {"more": 1}, {"epoch": None}, {"epoch": ""},
    ],
)  # fmt: skip
def test_an_epoch_that_is_none(
    closed: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object]
) -> None:
    change_epoch(closed, **changes)
    code, line = verify(capsys, closed)
    assert code == 2 and "epochs.json: 0." in line and line.count("\n") == 1


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=9),
    st.sampled_from(["A", "B", "tuned", "battle", "match", "2026-01-01", "\n", "\x1b[2J"]),
    st.lists(st.integers(0, 9), max_size=2),
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.sampled_from(["epochs", "tombstones", "battles", "judgements", "codings"]), st.data())
def test_whatever_stands_in_it_is_told_in_lines(
    releases: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    place: str,
    data: st.DataObject,
) -> None:
    """Any value anywhere: no fault of ours, and no line that is not."""
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(releases["closed"], Path(folder) / "copy"))
        value = data.draw(CELLS)
        if place == "epochs":
            name = data.draw(st.sampled_from(sorted(epochs_of(copy)[0])))
            change_epoch(copy, data.draw(st.integers(0, 1)), **{name: value})
        elif place == "tombstones":
            (copy / "tombstones.jsonl").write_text(json.dumps(value) + "\n")
        else:
            name = data.draw(st.sampled_from(COLUMNS[place]))
            try:
                rewritten(copy, with_all(**{name: value}), place, typed=False)
            except ArrowException:
                return  # parquet does not hold it
        before = releases[data.draw(st.sampled_from(["open", "closed"]))]
        assert study_main(["verify", str(copy), "--before", str(before)]) in (0, 2, 4)
        out, err = capsys.readouterr()
        assert err.count("\n") <= 1 and "Traceback" not in err
        assert "\x1b" not in out + err
        assert bool(err) is not bool(out)
        assert sum(line == "everything holds" for line in out.splitlines()) <= 1


COLUMNS = {
    "battles": BattleTold._fields, "judgements": JudgementTold._fields,
    "codings": CodingTold._fields,
}  # fmt: skip


def test_what_cannot_be_read(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(capsys, copy, "--epoch", "none")[0] == 2
    rewritten(
        copy,
        lambda rows: [{k: v for k, v in row.items() if k != "tuned_side"} for row in rows],
        typed=False,
    )
    code, line = verify(capsys, copy)
    assert code == 2 and "has no column tuned_side" in line
    (copy / "battles" / "train.parquet").write_bytes(b"PAR1")
    code, line = verify(capsys, copy)
    assert code == 2 and line.count("\n") == 1
    (copy / "epochs.json").write_text("[{}]")
    code, line = verify(capsys, copy)
    assert code == 2 and line.count("\n") == 1
    assert verify(capsys, copy / "nowhere")[0] == 2


def test_a_secret_that_is_another_tells_no_seed(study: SmallStudy, tmp_path: Path) -> None:
    build(study.folder, b"not the secret of the study", tmp_path / "out")
    told = epochs_of(tmp_path / "out")[0]
    assert told["seed"] is None and "not the one" in told["no_seed_because"]
    assert study_main(["verify", str(tmp_path / "out")]) == 4
