"""What the command refuses, each in one line and with exit code 2, before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_arena.jobs.run_directory import alone_in
from tests.conftest import make_pair
from tests.eval.responding import Desk
from tests.small_dialogues import made_up, write

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def desk(tmp_path: Path, pair_folders: tuple[Path, Path]) -> Desk:
    return Desk(tmp_path, make_pair(*pair_folders), made_up(2))


def refused(desk: Desk, capsys: pytest.CaptureFixture[str], *more: object) -> str:
    """The one line that is told; nothing is written."""
    before = sorted(desk.folder.rglob("*"))
    assert desk.run("p.jsonl", *more) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert told.err.startswith("eval.respond: ")
    assert sorted(desk.folder.rglob("*")) == before
    return told.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--pair", "none"], "no pair 'none'; known: tiny"),
        (["--systems", "base,best"], "no system 'best'; known: base, base_prompted, tuned"),
        (["--models", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["--data", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["--max-new-tokens", 512], "a context of 512 tokens"),
        (["--max-new-tokens", 5000], "--max-new-tokens: Input should be less than"),
        (["--out", "p.jsonl.gz"], "without .gz"),
        (["--systems", "remote:big", "--base-url", "ftp://x"], "--base-url: write an address"),
        (["--systems", "remote:big"], "OPENAI_API_KEY is not set"),
        (
            ["--systems", "remote:big", "--base-url", "http://127.0.0.1:9/v1", "--max-cost", 1],
            "no price is noted for big",
        ),
    ],
)
def test_wrong_arguments(
    desk: Desk,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[object],
    words: str,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert words in refused(desk, capsys, *more)


def test_bad_lines_of_the_test_set(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with desk.data.open("a", encoding="utf-8") as file:
        file.write('{"id": "x", "source": "s", "messages": [{"role": "doctor", "content": "秘"}]}')
    told = refused(desk, capsys)
    assert "test.jsonl:3: messages.0.role" in told and "秘" not in told
    desk.data.write_bytes(b"\xff\n")
    assert "is not UTF-8 text" in refused(desk, capsys)


def test_out_must_not_be_the_input_or_a_folder(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is a folder or the input" in refused(desk, capsys, "--out", desk.data)
    assert "is a folder or the input" in refused(desk, capsys, "--out", desk.folder)
    assert "is a file" in refused(desk, capsys, "--out", desk.data / "p.jsonl")


def test_a_file_of_unknown_making_is_not_overwritten(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk.folder / "p.jsonl").write_text("precious\n")
    assert "says how it was made" in refused(desk, capsys)
    assert (desk.folder / "p.jsonl").read_text() == "precious\n"


def test_a_pair_without_what_is_asked_of_it(
    tmp_path: Path, pair_folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    alone = Desk(tmp_path, make_pair(pair_folders[0], None, to_do="tune one"), made_up(1))
    assert "pair tiny: tune one" in refused(alone, capsys, "--systems", "base,tuned")
    nowhere = Desk(tmp_path, make_pair(tmp_path / "nowhere", None), made_up(1))
    assert "no config.json in" in refused(nowhere, capsys, "--systems", "base")


def test_a_turn_that_is_too_long_even_alone(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    long = made_up(1)[0].model_copy(update={"id": "long"})
    said = [m.model_copy(update={"content": "很长" * 600}) for m in long.messages[:1]]
    long = long.model_copy(update={"messages": [*said, *long.messages[1:]]})
    write(desk.data, made_up(2), [long])
    assert desk.run("p.jsonl", "--systems", "tuned") == 2
    told = capsys.readouterr().err
    assert "dialogue 'long', round 1: the last turn takes" in told
    assert told.count("\n") == 1 and "很长" not in told
    assert not (desk.folder / "p.jsonl").exists()
    assert desk.status("p.jsonl")["state"] == "failed"


def test_a_run_that_is_under_way_is_left_alone(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    with alone_in(desk.folder / "p.jsonl.run", "--run"):
        assert "another process uses it" in refused(desk, capsys)


@pytest.mark.parametrize("damage", ["config.yaml", "checkpoints/replies.jsonl"])
def test_damaged_papers_are_told(
    desk: Desk, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    assert desk.run("p.jsonl", "--systems", "base") == 0
    capsys.readouterr()
    (desk.folder / "p.jsonl.run" / damage).write_text("{half\n")
    assert desk.run("p.jsonl", "--systems", "base") == 2
    told = capsys.readouterr().err
    assert damage in told and told.count("\n") == 1


def test_dialogues_without_rounds_are_counted(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = made_up(1, seed=3)[0]
    silent = silent.model_copy(update={"messages": silent.messages[:1]})
    write(desk.data, made_up(1), [silent])
    assert desk.run("p.jsonl", "--systems", "base") == 0
    told = capsys.readouterr().out
    assert "3 rounds of 2 dialogues" in told
    assert "without a counsellor turn that answers a client: 1" in told
