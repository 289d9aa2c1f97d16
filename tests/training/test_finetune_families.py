"""Every model family from dialogues to a served pair: it trains, resumes, loads and answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from mi_arena.chat_formats import load_format
from mi_arena.engine.loading import load_pair
from mi_arena.pairs import load_registry
from tests.small_dialogues import made_up, write
from tests.small_families import FAMILIES, family_base
from training import finetune, models

pytestmark = pytest.mark.usefixtures("one_thread")


class StopAfter(finetune.Stop):
    """As a SIGTERM during the step of that number."""

    def __init__(self, steps: int):
        self.training, self.left = False, steps

    @property  # type: ignore[override]
    def asked(self) -> bool:
        self.left -= 1
        return self.left <= 0


def evaluations(folder: Path) -> list[dict[str, float | None]]:
    return json.loads((folder / "adapter/training.json").read_text())["loss"]["epochs"]


def written_config(folder: Path, base: Path, data: Path, family: str, **changes: object) -> Path:
    folder.mkdir()
    settings = {
        "base": str(base), "data": str(data), "output": str(folder / "adapter"),
        "format": family, "epochs": 2, "batch_dialogues": 4, "learning_rate": 0.05,
        "max_length": 512, "dropout": 0.2, "sample_tokens": 4, **changes,
    }  # fmt: skip
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_resumes_and_serves(family: str, tmp_path: Path) -> None:
    base = family_base(tmp_path / "base", family)
    data = write(tmp_path / "d.jsonl", made_up(9, rounds=1))
    whole = written_config(tmp_path / "whole", base, data, family)
    assert finetune.main([str(whole), "--out", str(whole.parent / "run")]) == 0
    losses = evaluations(whole.parent)
    assert losses[-1]["validation_loss"] < losses[0]["validation_loss"] - 0.1

    again = written_config(tmp_path / "again", base, data, family)
    arguments = [str(again), "--out", str(again.parent / "run")]
    assert finetune.main(arguments, stop=StopAfter(2)) == 3
    assert (again.parent / "run/checkpoints/checkpoint-2").is_dir()
    assert finetune.main(arguments) == 0
    for one, other in zip(evaluations(again.parent), losses, strict=True):
        assert one == pytest.approx(other, abs=1e-5)

    [pair] = load_registry(again.parent / "run/pair.yaml").values()
    loaded = load_pair(pair)
    chat = load_format(family, loaded.chat.tokenizer)
    ids = torch.tensor([chat.prompt_ids(made_up(1)[0].messages[:1])])
    tuned = models.load_adapter(models.load_base(str(base)), str(again.parent / "adapter"))
    with torch.no_grad():
        loaded.mask.set([False, True])
        rows = loaded.model(ids.repeat(2, 1)).logits
        assert torch.allclose(rows[1], tuned(ids).logits[0], atol=1e-4)
        with tuned.disable_adapter():
            assert torch.allclose(rows[0], tuned(ids).logits[0], atol=1e-4)
    assert not torch.allclose(rows[0], rows[1], atol=1e-2)
