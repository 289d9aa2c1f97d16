"""The recipes and keys that come with the code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mi_arena.jobs.finetune_config import FinetuneConfig, fields_help, load_config
from tests.processes import ROOT
from training import pair_entry


def test_every_key_is_documented() -> None:
    for name, field in FinetuneConfig.model_fields.items():
        assert field.description, name
        assert f"  {name}: " in fields_help()


RECIPES = sorted((ROOT / "training/recipes").glob("*.yaml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_every_recipe_loads(file: Path) -> None:
    recipe = load_config(file)
    assert not os.path.isabs(recipe.base)
    text = file.read_text()
    assert f"training/recipes/{file.name}" in text.splitlines()[0]
    pair = pair_entry.pair_of(recipe.base)
    assert pair is not None and pair.format == recipe.format
    assert pair.context >= recipe.max_length
    if pair.base.repo:
        assert recipe.revision == pair.base.revision


def test_the_recipes_cover_the_families() -> None:
    names = {file.stem for file in RECIPES}
    for pair in ("baichuan2-7b", "glm-4-9b", "llama3-8b-zh"):
        assert load_config(ROOT / f"training/recipes/{pair}-24gb.yaml").quantization == "4bit"
        assert load_config(ROOT / f"training/recipes/{pair}-80gb.yaml").quantization == "none"
    assert len(names) == 7
    demo = load_config(ROOT / "training/recipes/demo.yaml")
    assert demo.rank == 8  # what the benchmark's ratios are stated for
    assert (demo.learning_rate, demo.epochs, demo.batch_dialogues) == (0.001, 2, 16)


def test_the_accelerate_config_is_one() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    file = ROOT / "training/recipes/accelerate/ddp.yaml"
    assert load_config_from_file(str(file)).distributed_type == "MULTI_GPU"
    assert (
        "accelerate launch --config_file training/recipes/accelerate/ddp.yaml" in file.read_text()
    )
