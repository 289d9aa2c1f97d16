"""A release against an older one of the same study: what may have changed, and what may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mi_arena.study.__main__ import main as study_main
from mi_arena.study.allocation import commitment, tuned_side
from mi_arena.study.before_audit import Since
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


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        ("open", "closed", {}),
        ("open", "later", {}),
        ("closed", "closed", {}),
        ("closed", "later", {"withdrawn": 1}),
    ],
)
def test_what_changed_for_a_reason(
    releases: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    before: str,
    after: str,
    since: dict[str, int],
) -> None:
    code, told = verify(capsys, releases[after], "--before", str(releases[before]))
    assert (code, problems_of(told)) == (0, [])
    assert told["since"] == dict.fromkeys(Since._fields, 0) | since


def test_an_older_copy_without_what_was_withdrawn_since_serves_as_well(
    releases: dict[str, Path], closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stones = (releases["later"] / "tombstones.jsonl").read_text().splitlines()
    gone = {json.loads(stone)["battle"] for stone in stones}
    for table in ("battles", "judgements", "codings"):
        rewritten(closed, lambda rows: [r for r in rows if r["battle"] not in gone], table)
    code, told = verify(capsys, releases["later"], "--before", str(closed))
    assert (code, told["since"]["withdrawn"]) == (0, 0)


def test_commitments_are_told_to_be_noted(
    releases: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [one["seed_commitment"] for one in epochs_of(releases["closed"])]
    _, told = verify(capsys, releases["closed"])
    assert [one["commitment"] for one in told["epochs"]] == wanted
    assert study_main(["verify", str(releases["closed"])]) == 0
    out = capsys.readouterr().out
    assert all(f"commitment: {one}\n" in out for one in wanted) and "note its commitment" in out


def test_seed_commitment_and_sides_made_anew_together(
    releases: dict[str, Path], closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Consistent in itself: only who noted the commitment can tell."""
    seed = bytes(32)
    change_epoch(closed, seed=seed.hex(), seed_commitment=commitment(seed))
    sides: dict[str, str] = {}

    def battle(row: dict[str, Any]) -> dict[str, Any]:
        sides[row["battle"]] = tuned_side(seed, row["allocation_index"])
        return row | {"tuned_side": sides[row["battle"]]}

    def judgement(row: dict[str, Any]) -> dict[str, Any]:
        tuned = sides[row["battle"]] == "A"
        a, b = ("tuned", "base") if tuned else ("base", "tuned")
        return row | {"a_system": a, "b_system": b, "preferred": {"A": a, "B": b}[row["overall"]]}

    rewritten(closed, lambda rows: list(map(battle, rows)))
    rewritten(closed, only("battle", judgement), "judgements")
    rewritten(
        closed,
        lambda rows: [
            row | {"system": "tuned" if sides[row["battle"]] == row["side"] else "base"}
            for row in rows
        ],
        "codings",
    )
    assert verify(capsys, closed)[0] == 0
    for before in ("open", "closed"):
        code, told = verify(capsys, closed, "--before", str(releases[before]))
        assert code == 4
        was = epochs_of(releases[before])[0]["seed_commitment"]
        assert f"its seed_commitment was {was} before, and is {commitment(seed)}" in problems_of(
            told
        )


def other(overall: str) -> str:
    return {"A": "B", "B": "A"}[overall]


REWRITTEN: dict[str, tuple[str, Callable[[Rows], Rows], str]] = {
    "verdicts": (
        "judgements",
        only("battle", lambda row: swapped(swapped(row) | {"overall": other(row["overall"])})),
        "had another overall, preferred",
    ),
    "guesses": (
        "judgements", only("battle", lambda row: row | {"guess": "B"}), "had another guess",
    ),
    "topics": ("battles", with_all(topic="another"), "battle had another topic"),
    "raters": ("codings", with_all(rater="x"), "had another rater"),
    "rounds": (
        "battles",
        lambda rows: [row | {"rounds": row["rounds"][:1]} for row in rows],
        "battle had another rounds",
    ),
    "codes": ("codings", with_all(counts=[{"code": "SR", "count": 9.0}]), "had another counts"),
    "a verdict of an expert": (
        "judgements",
        lambda rows: [row for row in rows if row["about"] == "battle"],
        "is gone",
    ),
    "a coding": ("codings", lambda rows: rows[1:], "is gone"),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITTEN)
def test_rows_of_closed_epochs_that_were_rewritten(
    releases: dict[str, Path], closed: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    table, change, wanted = REWRITTEN[name]
    rewritten(closed, change, table)
    assert verify(capsys, closed, "--before", str(releases["open"]))[0] == 0
    code, told = verify(capsys, closed, "--before", str(releases["closed"]))
    assert code == 4 and any(wanted in what for what in problems_of(told)), problems_of(told)


def without_the_last(folder: Path, reason: str) -> None:
    """A battle that nothing else hangs on goes, and the counts fit."""
    gone: list[str] = []

    def drop(rows: Rows) -> Rows:
        last = max(rows, key=lambda row: row["allocation_index"])
        gone.append(last["battle"])
        return [row for row in rows if row is not last]

    rewritten(folder, drop)
    rewritten(folder, lambda rows: [r for r in rows if r["battle"] != gone[0]], "judgements")
    withheld = epochs_of(folder)[0]["withheld"]
    change_epoch(folder, withheld=withheld | {reason: withheld.get(reason, 0) + 1})


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("crisis", "was not withdrawn"),
        ("withdrawn", "was not withdrawn"),
        ("crisis_found", None),
        ("minor", None),
    ],
)
def test_a_battle_that_is_gone(
    releases: dict[str, Path],
    closed: Path,
    capsys: pytest.CaptureFixture[str],
    reason: str,
    wanted: str | None,
) -> None:
    """Patterns of danger are mended, raters say how old they are; the rest is known in time."""
    without_the_last(closed, reason)
    assert verify(capsys, closed)[0] == 0
    code, told = verify(capsys, closed, "--before", str(releases["closed"]))
    if wanted is None:
        assert (code, told["since"]["held_back"]) == (0, 1)
        code, told = verify(capsys, releases["closed"], "--before", str(closed))
        assert (code, told["since"]["come"]) == (0, 1)
    else:
        assert code == 4 and any(wanted in what for what in problems_of(told))


def test_a_battle_that_came_from_nowhere(
    releases: dict[str, Path], closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_the_last(closed, "withdrawn")
    code, told = verify(capsys, releases["closed"], "--before", str(closed))
    assert code == 4 and "was not there before" in problems_of(told)


def test_what_is_made_anew_may_differ(
    releases: dict[str, Path], closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def masked(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"rounds": [one | {"client": "[NAME]"} for one in row["rounds"]]}

    rewritten(closed, lambda rows: list(map(masked, rows)))
    rewritten(closed, only("battle", lambda r: r | {"excluded_reason": "x"}), "judgements")
    code, told = verify(capsys, closed, "--before", str(releases["closed"]))
    assert (code, problems_of(told), told["since"]["recounted"]) == (0, [], 6)


def test_an_older_release_in_the_place_of_a_newer_one(
    releases: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = verify(capsys, releases["closed"], "--before", str(releases["later"]))
    assert code == 4 and "was withdrawn, and its tombstone is gone" in problems_of(told)
    code, told = verify(capsys, releases["open"], "--before", str(releases["closed"]))
    assert code == 4 and "was told of, and is not any more" in problems_of(told)
    assert any("its closed_on was" in what for what in problems_of(told))


def test_an_older_release_that_cannot_be_read(
    releases: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = verify(capsys, releases["closed"], "--before", str(tmp_path))
    assert code == 2 and str(tmp_path) in line and line.count("\n") == 1
