"""A file that grows in order: after any kill its whole lines are right, and a rerun mends it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mi_arena.jobs.growing import GrowingFile

LINES = st.lists(st.text("一二ab", max_size=5), max_size=6)


def grow(path: Path, lines: list[str], complete: bool = True) -> None:
    with closing(GrowingFile(path)) as file:
        for line in lines:
            file.write(line)
        if complete:
            file.complete()


@given(before=LINES, lines=LINES, cut=st.integers(0, 40))
def test_whatever_stood_there_a_whole_run_gives_its_lines(
    tmp_path_factory: object, before: list[str], lines: list[str], cut: int
) -> None:
    path = tmp_path_factory.mktemp("grow") / "out.jsonl"  # type: ignore[attr-defined]
    path.write_bytes("".join(line + "\n" for line in before).encode()[:cut])
    grow(path, lines)
    assert path.read_text() == "".join(line + "\n" for line in lines)


@given(lines=LINES, cut=st.integers(0, 80), again=st.integers(0, 6))
def test_a_run_that_ends_early_leaves_a_beginning(
    tmp_path_factory: object, lines: list[str], cut: int, again: int
) -> None:
    """Killed at any byte, then stopped after any line: whole lines, never fewer than before."""
    path = tmp_path_factory.mktemp("grow") / "out.jsonl"  # type: ignore[attr-defined]
    whole = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(whole[:cut])
    there = whole[:cut].count(b"\n")
    grow(path, lines[:again], complete=False)
    found = path.read_bytes()
    assert whole.startswith(found) and (not found or found.endswith(b"\n"))
    assert found.count(b"\n") == max(there, min(again, len(lines)))


def test_a_long_torn_line_goes(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"one\n" + b"x" * 200_000)
    grow(path, ["one"], complete=False)
    assert path.read_bytes() == b"one\n"
