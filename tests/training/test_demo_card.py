"""The card: every place of its template is filled, and writing it twice gives the same card."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from mi_arena.jobs.run_directory import RunDirectory
from tests.small_dialogues import made_up, write
from training import demo_card, finetune
from training.demo_base import BaseConfig, training_record

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def arguments(pair_folders: tuple[Path, Path], tmp_path: Path) -> list[str]:
    base = pair_folders[0]
    data = write(tmp_path / "d.jsonl", made_up(8), made_up(3, seed=1, split="test"))
    config = tmp_path / "tune.yaml"
    config.write_text(
        f"base: {base}\ndata: {data}\noutput: {tmp_path / 'adapter'}\nlearning_rate: 0.01\n"
        "epochs: 1\nmax_length: 512\n"
    )
    assert finetune.main([str(config), "--out", str(tmp_path / "tuning")]) == 0
    run = RunDirectory(tmp_path / "run")
    settings = BaseConfig(data="/secret/place.jsonl", tokens=40_960_000)
    run.start(dataclasses.asdict(settings), settings.steps)
    run.log("7 dialogues")
    run.metric(step=20, loss=3.25)
    shipped = tmp_path / "base"
    shutil.copytree(base, shipped)
    (shipped / "training.json").write_text(json.dumps(training_record(settings, run)))
    folders = {"--base": shipped, "--adapter": tmp_path / "adapter"}
    files = {"--smilechat": data, "--mi-test": data, "--out": tmp_path / "card.md"}
    more = {"--pairs": 2, "--test-pairs": 3, "--max-new-tokens": 8}
    return [str(word) for item in (folders | files | more).items() for word in item]


def test_the_card_is_filled_and_reproducible(arguments: list[str], tmp_path: Path) -> None:
    assert demo_card.main(arguments) == 0
    card = (tmp_path / "card.md").read_text()
    assert "{" not in card.replace("{&#", "")
    assert "--tokens 40960000" in card
    assert "40,960,000 tokens seen" in card
    assert "3.2500 nats per token" in card and "    7 dialogues" in card
    assert "/secret" not in card
    assert str(tmp_path) not in card
    assert card.count("| made-1-") == 3
    assert "| 2 | smoking-2 |" in card and "| 3 | smoking-3 |" not in card
    assert "--checkpoint-steps" not in card
    assert demo_card.main(arguments) == 0
    assert (tmp_path / "card.md").read_text() == card


def test_replies_cannot_break_the_table() -> None:
    assert demo_card.table_cell("a|b\n<b>*c*") == "a&#124;b &#60;b&#62;&#42;c&#42;"
    assert demo_card.table_cell("  ") == "(empty)"


def test_starters_that_cannot_be_read_are_one_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "starters.yaml"
    wrong.write_text("smoking: [{id: a}]")
    capsys.readouterr()
    assert demo_card.main([*arguments, "--starters", str(wrong)]) == 2
    assert capsys.readouterr().err.startswith(f"training.demo_card: --starters: {wrong}: ")


def test_a_missing_record_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_card.main(["--base", str(tmp_path / "none"), "--smilechat", "x"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "--base" in line and "training.json" in line
