"""``python -m mi_arena.battles``: listing and closing epochs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mi_arena.battles.__main__ import main
from mi_arena.pairs import Pair
from tests.battles.conftest import open_arena


def test_list_and_close(
    tmp_path: Path, tiny_pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    open_arena(tmp_path, [tiny_pair]).close()
    assert main(["--data", str(tmp_path), "epochs", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["pair"] == "tiny" and listed["closed_at"] is None
    assert main(["--data", str(tmp_path), "close", listed["id"]]) == 0
    assert main(["--data", str(tmp_path), "close", listed["id"]]) == 2
    assert main(["--data", str(tmp_path), "close", "no-such"]) == 2
    assert "closed already" in capsys.readouterr().err
    again = open_arena(tmp_path, [tiny_pair])
    assert again.store.count("epoch_opened") == 2
    again.close()


def test_no_records_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "none"), "epochs"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
