"""Ratings by people: from JSONL, merged, kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.jobs.script import BadInput
from tests.training.rate_stand_in import small_sample
from training.rate import people
from training.rate.people import merged, read_jsonl, read_people
from training.rate.sheets import HumanRating


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def test_by_blind_id_or_its_own(tmp_path: Path) -> None:
    items = small_sample(tmp_path).items
    path = lines(
        tmp_path / "r.jsonl",
        {
            "rater": "r1",
            "dialogue": items[0].blind_id,
            "scores": {"safety": 1, "authenticity": None},
        },
        {"rater": "r2", "dialogue": items[1].dialogue.id, "scores": {"safety": 0}, "more": 1},
        {"rater": "r2", "dialogue": items[2].blind_id, "scores": {}},
    )
    assert [(one.rater, one.blind_id, one.scores) for one in read_jsonl(path, items)] == [
        ("r1", items[0].blind_id, {"safety": 1}),
        ("r2", items[1].blind_id, {"safety": 0}),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dialogue": "D001-QQQQ"}, "line 1, dialogue: 'D001-QQQQ' is no dialogue of this sample"),
        ({"rater": " "}, "line 1, rater: "),
        ({"scores": {"safety": 2}}, "line 1, scores.safety: 2 is not a whole number from 0 to 1"),
        ({"scores": {"safety": -1}}, "scores.safety: -1 is not"),
        ({"scores": {"safety": True}}, "line 1, scores.safety: "),
        ({"scores": {"safety": 0.5}}, "line 1, scores.safety: "),
        ({"scores": {"warmth": 1}}, "'warmth' is no dimension; they are: comprehensiveness"),
        ({"scores": [1]}, "line 1, scores: "),
    ],
)
def test_bad_lines(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    items = small_sample(tmp_path).items
    good = {"rater": "r", "dialogue": items[0].blind_id, "scores": {"safety": 1}}
    path = lines(tmp_path / "r.jsonl", good | change)
    with pytest.raises(BadInput) as error:
        read_jsonl(path, items)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    path.write_bytes(b"{\xff")
    with pytest.raises(BadInput, match="is not UTF-8"):
        read_jsonl(path, items)


def rating(rater: str, blind_id: str, score: int, where: str = "") -> HumanRating:
    return HumanRating(rater, blind_id, {"authenticity": score}, "", where)


def test_the_last_counts_and_it_is_said() -> None:
    found, replaced = merged([rating("r", "D1", 0, "a, row 2"), rating("r", "D1", 1, "b, row 2")])
    assert [one.scores for one in found] == [{"authenticity": 1}]
    assert replaced == ["r rated D1 more than once: b, row 2 counts, a, row 2 does not"]
    assert merged([rating("r", "D1", 1, "a"), rating("r", "D1", 1, "b")])[1] == []


RATINGS = st.builds(
    rating, st.sampled_from("abc"), st.sampled_from(["D1", "D2"]), st.integers(0, 3)
)


@settings(deadline=None)
@given(st.lists(RATINGS))
def test_merging(ratings: list[HumanRating]) -> None:
    found, replaced = merged(ratings)
    keys = [(one.rater, one.blind_id) for one in ratings]
    assert [(one.rater, one.blind_id) for one in found] == sorted(set(keys))
    for one in found:
        last = max(at for at, key in enumerate(keys) if key == (one.rater, one.blind_id))
        assert one == ratings[last]
    assert merged(found) == (found, [])
    assert len(replaced) <= len(ratings) - len(found)


def test_kept_and_read_back(tmp_path: Path) -> None:
    items = small_sample(tmp_path).items
    assert people.kept(tmp_path, items) == []
    given = [
        HumanRating("张\u2028三", items[0].blind_id, {"safety": 1}, "=1+1", "a.csv, row 2"),
        HumanRating("b", items[1].blind_id, {"authenticity": 3, "safety": 0}, "", "b.csv, row 3"),
    ]
    people.keep(tmp_path, given)
    assert people.kept(tmp_path, items) == given


def test_two_files_of_one_name_are_not_one_person(tmp_path: Path) -> None:
    items = small_sample(tmp_path).items
    header = "blind_id,comprehensiveness,professionalism,authenticity,safety"
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "for_raters.csv")
        files[-1].write_text(f"{header}\n{items[0].blind_id},1,1,1,1\n")
    with pytest.raises(BadInput, match="two people would be one"):
        read_people(files, items)
    assert len(read_people([files[0], files[0]], items)) == 2
