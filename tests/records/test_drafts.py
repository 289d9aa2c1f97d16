"""Drafts: the last saved version survives, and two devices can't overwrite each other unseen."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mi_arena.records.drafts import Draft, Drafts, Overtaken
from mi_arena.records.store import NotStored, Unreadable


@pytest.fixture
def drafts(tmp_path: Path) -> Iterator[Drafts]:
    made = Drafts(tmp_path / "new" / "drafts.sqlite", busy_timeout=0.2)
    yield made
    made.close()


def test_what_was_put_is_got_by_another_opener(drafts: Drafts) -> None:
    drafts.put("ann", "one", Draft(0, "甲"), replaces=None)
    drafts.put("ann", "one", Draft(1, "甲乙"), replaces=0)
    other = Drafts(drafts.path)
    assert other.get("ann", "one") == Draft(1, "甲乙")
    other.close()


def test_owners_do_not_see_each_other(drafts: Drafts) -> None:
    drafts.put("ann", "one", Draft(0, "hers"), replaces=None)
    assert drafts.get("bob", "one") is None
    drafts.put("bob", "one", Draft(0, "his"), replaces=None)
    drafts.drop("bob", "one")
    assert drafts.get("ann", "one") == Draft(0, "hers")
    assert drafts.keys("ann") == ["one"] and drafts.keys("bob") == []


@pytest.mark.parametrize("replaces", [None, 0, 2, 7])
def test_a_draft_made_from_another_version_changes_nothing(
    drafts: Drafts, replaces: int | None
) -> None:
    drafts.put("ann", "one", Draft(0, "a"), replaces=None)
    drafts.put("ann", "one", Draft(1, "b"), replaces=0)
    with pytest.raises(Overtaken):
        drafts.put("ann", "one", Draft(5, "secret words"), replaces=replaces)
    assert drafts.get("ann", "one") == Draft(1, "b")


def test_of_many_at_once_exactly_one_replaces_a_version(drafts: Drafts) -> None:
    drafts.put("ann", "one", Draft(0, ""), replaces=None)
    openers = [Drafts(drafts.path) for _ in range(4)]

    def attempt(number: int) -> bool:
        try:
            openers[number % 4].put("ann", "one", Draft(1, str(number)), replaces=0)
        except Overtaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, done in enumerate(pool.map(attempt, range(16))) if done]
    assert len(won) == 1
    assert drafts.get("ann", "one") == Draft(1, str(won[0]))
    for opener in openers:
        opener.close()


def test_a_saved_draft_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "drafts.sqlite"
    saved = (
        "import os, signal, sys; from pathlib import Path\n"
        "from mi_arena.records.drafts import Draft, Drafts\n"
        "Drafts(Path(sys.argv[1])).put('ann', 'one', Draft(0, 'kept'), replaces=None)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", saved, str(path)],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    drafts = Drafts(path)
    assert drafts.get("ann", "one") == Draft(0, "kept")
    drafts.close()


def test_a_held_file_is_one_clear_line_without_content(drafts: Drafts) -> None:
    drafts.put("ann", "one", Draft(0, "kept"), replaces=None)
    holder = sqlite3.connect(drafts.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotStored) as refused:
        drafts.put("ann", "one", Draft(1, "secret words"), replaces=0)
    holder.close()
    assert "another process holds it" in str(refused.value)
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)
    assert drafts.get("ann", "one") == Draft(0, "kept")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "drafts.sqlite"
    path.write_text("not a database, but long enough to be looked at " * 20)
    with pytest.raises(Unreadable, match=r"drafts\.sqlite"):
        Drafts(path)
