"""People and the judge read the same rubric."""

from __future__ import annotations

import re
from pathlib import Path

import training.rate
from mi_arena.records.review_events import MOST
from mi_arena.ui.texts import all_texts
from training.rate.rubric import DIMENSIONS

PROMPT = (Path(training.rate.__file__).parent / "prompt_v1.md").read_text(encoding="utf-8")
HEADING = re.compile(r"### (\S+) (\w+)（0–(\d)）：(.+)")


def test_dimensions_and_ranges_are_the_same() -> None:
    assert {one.name: one.most for one in DIMENSIONS} == MOST
    assert list(MOST) == [one.name for one in DIMENSIONS]
    zh = all_texts()["zh"]
    assert {one.name: zh[f"rubric_{one.name}"] for one in DIMENSIONS} == {
        one.name: one.zh for one in DIMENSIONS
    }


def test_every_level_is_worded_as_the_judge_reads_it() -> None:
    zh, read = all_texts()["zh"], 0
    assert zh["rubric_rules"] in PROMPT.splitlines()
    for part in PROMPT.split("\n### ")[1:]:
        heading = HEADING.match("### " + part)
        assert heading is not None
        name, most = heading[2], int(heading[3])
        assert (heading[1], heading[4]) == (zh[f"rubric_{name}"], zh[f"rubric_{name}_asks"])
        levels = re.findall(r"^- (\d)：(.+)$", part, re.MULTILINE)
        assert [int(score) for score, _ in levels] == list(range(most + 1))
        for score, words in levels:
            assert zh[f"rubric_{name}_{score}"] == words
            read += 1
    assert read == sum(most + 1 for most in MOST.values())
