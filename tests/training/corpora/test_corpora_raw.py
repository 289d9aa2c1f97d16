"""The readers on the sources' own files, where these are at hand; nothing of them is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.corpora.cleaning import RULES
from training.corpora.corpus import NO_RULES, read_corpus
from training.corpora.report import Report

DATA = Path(__file__).parents[4] / "shared" / "data"
ALL = frozenset(RULES)

CASES = [
    ("cpsycound", "cpsycound_raw.tar.gz", 3134, 3131),
    ("cpsycoune", "cpsycoune_raw.tar.gz", 45, 45),
    ("smilechat", "smilechat_raw_sample.tar.gz", 500, 499),
    ("mdd5k", "mdd5k_raw_sample.tar.gz", 60, 60),
    ("emollm", "emollm_raw_sample.json", 200, 200),
    ("psydt", "psydtcorpus_example.json", 1, 1),
    ("annomi", "annomi_full.csv.gz", 133, 133),
]


@pytest.mark.parametrize(("kind", "name", "raw", "clean"), CASES)
def test_counts(kind: str, name: str, raw: int, clean: int) -> None:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"NOT CHECKED: there is no {name}")
    report = Report()
    ids = [one.id for one in read_corpus(kind, path, NO_RULES, report=report)]
    assert (len(ids), len(set(ids)), report.missed) == (raw, raw, 0)
    kept = 0
    for dialogue in read_corpus(kind, path, ALL):
        kept += 1
        roles = [m.role for m in dialogue.messages if m.role != "system"]
        assert roles == ["client", "counselor"] * (len(roles) // 2) != []
    assert kept == clean


@pytest.mark.skipif(
    not (DATA / "cpsycound_raw.tar.gz").is_file(),
    reason="NOT CHECKED: there is no cpsycound_raw.tar.gz",
)
def test_problems_of_cpsycound() -> None:
    """As counted by others, but for loops and stage directions, which are ours to define."""
    report = Report()
    found = list(read_corpus("cpsycound", DATA / "cpsycound_raw.tar.gz", NO_RULES, report=report))
    counts = {kind: tally.dialogues for kind, tally in report.problems.items()}
    assert counts["ends_on_client"] == 740
    assert counts["same_role_twice"] == 353
    assert counts["empty_turn"] == 2
    assert counts["duplicate"] == 3
    assert "wrong_first_speaker" not in counts
    assert 20 <= counts["looped_turns"] <= 26
    assert 400 <= counts["stage_direction"] <= 550
    assert sum("recovered" in one.id for one in found) == 50
