"""Answers are kept, durable, and shared by processes that don't ask the same twice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mi_arena.jobs.script import BadInput
from mi_arena.llm.answers import Answer, Answers
from mi_arena.llm.prices import Price
from tests.processes import ROOT

ANSWER = Answer('{"a": 1}', "stop", False, "m", 10, 20, False, 0.5, "known", "2026-01-01T00:00:00")
HOLDS = """
import sys
from mi_arena.llm.answers import Answers
from tests.llm.test_llm_answers import ANSWER
answers = Answers(sys.argv[1])
answers.keep("held", ANSWER)
assert answers.claim("asked")
print("held", flush=True)
sys.stdin.read()
"""


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "answers.sqlite"
    with Answers(path) as answers:
        assert answers.get("k") is None
        answers.keep("k", ANSWER)
        answers.keep("free", replace(ANSWER, cost=None, text="没有", refused=True))
    with Answers(path) as answers:
        assert answers.get("k") == ANSWER and ANSWER.parsed == {"a": 1}
        free = answers.get("free")
        assert free and free.refused and free.parsed is None
        assert (answers.count(), answers.tokens()) == (2, (20, 40))
        assert answers.spent(Price(None, None, "unknown")) is None
        assert answers.spent(Price(1.0, 1.0, "now known")) == pytest.approx(0.5 + 30e-6)
        with pytest.raises(OSError, match="cannot be kept"):
            answers.keep("k", ANSWER)


def test_a_claim_holds_while_its_process_lives_and_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with Answers(path) as answers:
        try:
            assert holder.stdout and holder.stdout.readline() == "held\n"
            assert answers.get("held") == ANSWER
            assert not answers.claim("held") and not answers.claim("asked")
            answers.release("asked")  # it isn't ours
            assert not answers.claim("asked") and answers.claim("other")
        finally:
            holder.kill()
            holder.communicate()
        assert answers.claim("asked")
        with Answers(path) as second:
            assert not second.claim("asked")
            answers.release("asked")
            assert second.claim("asked")
        assert answers.claim("asked")  # let go when it was closed


def test_each_run_directory_counts_what_it_has_caused(tmp_path: Path) -> None:
    path, price = tmp_path / "one" / "answers.sqlite", Price(1.0, 1.0, "known")
    with Answers(path, tmp_path / "one") as one, Answers(path, tmp_path / "two") as two:
        one.keep("a", ANSWER)
        two.keep("b", replace(ANSWER, cost=0.25))
        assert (one.count(), one.spent(price), two.spent(price)) == (2, 0.5, 0.25)
        assert one.tokens() == two.tokens() == (10, 20)
    (tmp_path / "one").rename(tmp_path / "moved")
    with Answers(tmp_path / "moved" / "answers.sqlite") as moved:
        assert moved.spent(price) == 0.5


def test_a_file_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with Answers(path) as answers:
        answers.keep("k", ANSWER)
    rows = sqlite3.connect(path, isolation_level=None)
    rows.execute("ALTER TABLE answers DROP COLUMN run")
    rows.execute("DROP TABLE claims")
    rows.execute("PRAGMA user_version=1")
    rows.close()
    with Answers(path) as answers:
        assert answers.get("k") == ANSWER and answers.claim("new")
        assert answers.spent(Price(None, None, "unknown")) == 0.5


def test_many_begin_one_file_at_the_same_moment(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"

    def begin(number: int) -> None:
        with Answers(path) as answers:
            answers.keep(str(number), ANSWER)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(24)))
    with Answers(path) as answers:
        assert answers.count() == 24


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one"])
def test_a_damaged_file_gets_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="no file of answers") as raised:
        Answers(path)
    assert "\n" not in str(raised.value)
    path.unlink()
    Answers(path).close()
