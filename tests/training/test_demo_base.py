"""The base's training: it learns, it goes on after a kill, it never sees what it must not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from mi_arena.dialogue import Dialogue
from tests.processes import kill_when, start
from tests.small_dialogues import made_up, write
from training import demo_base
from training.demo_tokenizer import load_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {
    "vocabulary": 600, "width": 32, "layers": 1, "heads": 2, "kv_heads": 1, "mlp_width": 64,
    "context": 64, "early_length": 32, "batch_tokens": 256, "warmup_steps": 5,
    "checkpoint_steps": 10,
}  # fmt: skip


def arguments(data: Path, out: Path, steps: int, **changes: int) -> list[str]:
    settings = TINY | {"tokens": steps * TINY["batch_tokens"]} | changes
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return ["--data", str(data), "--out", str(out), *flags]


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def status(run: Path) -> dict[str, object]:
    file = run / "status.json"
    return json.loads(file.read_text()) if file.exists() else {"step": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    return write(folder / "smile.jsonl", made_up(60), made_up(5, seed=1, split="test"))


def test_the_loss_falls_and_the_model_loads(data: Path, tmp_path: Path) -> None:
    steps = 105
    assert demo_base.main(arguments(data, tmp_path, steps)) == 0
    losses = [record["loss"] for record in metrics(tmp_path)]
    assert losses[-1] < losses[0] - 1
    assert losses[-1] < math.log(600)
    assert status(tmp_path)["state"] == "done"
    assert status(tmp_path)["step"] == status(tmp_path)["total"] == steps
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert model.dtype == torch.bfloat16
    assert model.config.eos_token_id == load_tokenizer(tmp_path / "model").eos_token_id


def test_after_a_kill_it_goes_on_from_the_checkpoint(data: Path, tmp_path: Path) -> None:
    steps = 300
    begun = start("training.demo_base", *arguments(data, tmp_path, steps))
    kill_when(begun, lambda: status(tmp_path)["step"] >= 100)
    seen = len(metrics(tmp_path))
    kept = torch.load(tmp_path / "checkpoints/latest.pt", weights_only=True)["step"]
    assert 0 < kept < steps

    assert demo_base.main(arguments(data, tmp_path, steps)) == 0
    later = metrics(tmp_path)[seen:]
    assert later[0]["step"] > kept, "it started over"
    assert later[-1]["step"] == steps
    assert status(tmp_path)["step"] == status(tmp_path)["total"] == steps
    assert torch.load(tmp_path / "checkpoints/latest.pt", weights_only=True)["step"] == steps


def test_crises_and_the_test_split_are_not_learnt_from(tmp_path: Path) -> None:
    def marked(mark: str, split: str, flags: list[str]) -> Dialogue:
        message = {"role": "client", "content": mark * 20}
        record = {"id": mark, "source": "s", "messages": [message]}
        return Dialogue.model_validate(record | {"meta": {"split": split, "flags": flags}})

    file = write(
        tmp_path / "d.jsonl",
        made_up(20),
        [marked("魑", "train", ["crisis"]), marked("魅", "test", []), marked("魍", "train", ["x"])],
    )
    run = tmp_path / "run"
    assert demo_base.main(arguments(file, run, 2)) == 0
    tokenizer = load_tokenizer(run / "model")
    learnt = tokenizer.decode(np.load(run / "tokens.npy").astype(int).tolist())
    assert "魍" in learnt
    assert "魑" not in learnt
    assert "魅" not in learnt
    assert not any("魑" in piece or "魅" in piece for piece in tokenizer.get_vocab())


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_base.main(arguments(tmp_path / "none.jsonl", tmp_path / "run", 2)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "none.jsonl" in lines[0]
