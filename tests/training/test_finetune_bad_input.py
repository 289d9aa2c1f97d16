"""LoRA tuning of what can't be tuned: one line, and no text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.finetuning import write_config
from training import adapter_output, finetune

pytestmark = pytest.mark.usefixtures("one_thread")


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"learning_rte": 0.1}, "learning_rte: unknown key; did you mean learning_rate"),
    "bad value": ({"rank": 0}, "rank:"),
    "bad type": ({"epochs": "many"}, "epochs:"),
    "bad targets": ({"targets": 3}, "targets:"),
    "targets the base has not": ({"targets": ["no_such_proj"]}, "targets:"),
    "unknown format": ({"format": "alpaca"}, "format: unknown chat format"),
    "format of another model": ({"format": "chatml"}, "has no token"),
    "missing key": ({"base": "REMOVED"}, "base: missing"),
    "missing data": ({"data": "nowhere/none.jsonl"}, "nowhere/none.jsonl: no such file"),
    "missing base": ({"base": "no/such/base"}, "no/such/base: no such folder"),
    "longer than the base": ({"max_length": 4096}, "max_length: 4096"),
    "a dtype that needs a GPU": ({"dtype": "float16"}, "dtype: float16 needs a GPU"),
    "4bit in float32": ({"quantization": "4bit"}, "quantization: 4bit computes in bfloat16"),
    "4bit on a CPU": (
        {"quantization": "4bit", "dtype": "bfloat16"},
        "quantization: 4bit needs a GPU",
    ),
    "an empty prompt": ({"sample_prompts": [" "]}, "sample_prompts: a prompt is empty"),
    "no repository": ({"push_to_hub": "adapter"}, "push_to_hub:"),
    "missing validation": ({"validation_data": "none.jsonl"}, "none.jsonl: no such file"),
    "nothing to learn": ({"only_quality": "none", "max_length": 16}, "too few to learn from"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_input_is_one_line(
    case: str, tmp_path: Path, base: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, expected = BAD_CONFIGS[case]
    config = write_config(tmp_path, base, data, **changes)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert expected in lines[0]
    if (tmp_path / "run").exists():
        assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "failed"
    assert finetune.main([str(config), "--check"]) == 2
    assert capsys.readouterr().err.strip().splitlines() == lines


def test_bad_lines_files_and_folders(
    tmp_path: Path, base: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(config: Path, run: Path = tmp_path / "run") -> str:
        assert finetune.main([str(config), "--out", str(run)]) == 2
        [line] = capsys.readouterr().err.strip().splitlines()
        return line

    assert "none.yaml: no such file" in error(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    assert "list.yaml" in error(tmp_path / "list.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    assert "not YAML" in error(tmp_path / "broken.yaml")

    bad = tmp_path / "bad.jsonl"
    bad.write_text(data.read_text() + "{}\n")
    assert "bad.jsonl:32:" in error(write_config(tmp_path, base, bad))

    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    assert "thesis" in error(write_config(tmp_path, base, data, output=str(other)), tmp_path / "r2")
    assert (other / "chapter.txt").exists()


def test_a_fault_tells_its_type_and_no_text(
    tmp_path: Path,
    base: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "我想戒烟，可是压力大"  # apart: a traceback shows the line that raises

    def broken(*_: object) -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(adapter_output, "write", broken)
    config = write_config(tmp_path, base, data, epochs=1)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr()
    status = (tmp_path / "run/status.json").read_text(encoding="utf-8")
    assert "RuntimeError" in status and "RuntimeError" in told.err
    assert "戒烟" not in status + told.err + told.out
