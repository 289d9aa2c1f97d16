"""Answers are kept, durable, and one process's at a time."""

from __future__ import annotations

import subprocess
import sys
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


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="another process uses it"):
            Answers(path)
    finally:
        holder.kill()
        holder.communicate()
    with Answers(path) as answers:
        assert answers.get("held") == ANSWER


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one"])
def test_a_damaged_file_gets_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="no file of answers") as raised:
        Answers(path)
    assert "\n" not in str(raised.value)
    path.unlink()
    Answers(path).close()  # the lock was let go
