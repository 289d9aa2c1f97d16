"""The form of a fine-tune: recipes fill it, it makes a config, wrong entries are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.jobs.finetune_config import FinetuneConfig, load_config
from mi_arena.jobs.finetune_form import (
    FORM,
    config_of,
    config_text,
    differences,
    form_values,
    recipe_of,
    recipes,
)
from mi_arena.jobs.inputs import Inputs
from mi_arena.jobs.steps import FormError
from mi_arena.settings import ROOT

TRAIN = ROOT / "mi_arena/assets/mi_zh/train.jsonl"


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    (tmp_path / "split-1").mkdir()
    for name in ("train", "valid"):
        (tmp_path / f"split-1/{name}.jsonl").write_text("{}\n")
    return Inputs(tmp_path, {"mi_zh/train.jsonl": TRAIN})


def test_the_form_has_every_key_of_the_config() -> None:
    names = [field.name for field in FORM.fields]
    assert len(names) == len(set(names))
    assert set(names) == FinetuneConfig.model_fields.keys() - {"output"}


def test_choices_are_those_of_the_config() -> None:
    for field in FORM.fields:
        if field.kind == "choice" and field.name != "format":
            annotation = str(FinetuneConfig.model_fields[field.name].annotation)
            assert annotation == f"typing.Literal{[*field.choices]}"


@pytest.mark.parametrize("name", sorted(recipes()))
def test_a_recipe_through_the_form_says_what_it_said(
    name: str, inputs: Inputs, tmp_path: Path
) -> None:
    values = form_values(recipes()[name], inputs)
    if name == "demo":
        assert values["data"] == ["mi_zh/train.jsonl"]  # the other file is made by a command
    values["data"] = ["split-1/train.jsonl"]
    made = config_of(values, inputs, tmp_path / "adapter")
    said = yaml.safe_load((ROOT / f"training/recipes/{name}.yaml").read_text(encoding="utf-8"))
    said |= {"data": str(tmp_path / "split-1/train.jsonl"), "output": str(tmp_path / "adapter")}
    assert made == FinetuneConfig.model_validate(said)


def test_the_file_is_read_back_as_it_was_meant(inputs: Inputs, tmp_path: Path) -> None:
    values = form_values(recipes()["glm-4-9b-24gb"], inputs)
    values |= {
        "data": ["split-1/train.jsonl", "mi_zh/train.jsonl"],
        "validation_data": "split-1/valid.jsonl",
        "targets": "q_proj, v_proj，o_proj",
        "sample_prompts": "我想戒烟。\n\n 我睡不好。 ",
        "only_quality": "",
        "learning_rate": "2e-5",
    }
    made = config_of(values, inputs, tmp_path / "adapter")
    assert made.targets == ["q_proj", "v_proj", "o_proj"]
    assert made.sample_prompts == ["我想戒烟。", "我睡不好。"]
    assert made.only_quality is None and made.learning_rate == 2e-5
    assert made.files == [
        str(tmp_path / "split-1/train.jsonl"),
        "mi_arena/assets/mi_zh/train.jsonl",
    ]
    file = tmp_path / "finetune.yaml"
    file.write_text(config_text(made, "glm-4-9b-24gb"), encoding="utf-8")
    assert load_config(file) == made
    again = form_values(recipe_of("earlier", made.model_dump()), inputs)
    assert config_of(again, inputs, tmp_path / "adapter") == made


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"base": ""}, "base", "missing"),
        ({"data": []}, "data", "missing"),
        ({"data": ["split-9/train.jsonl"]}, "data", "no_file"),
        ({"data": ["/etc/passwd"]}, "data", "no_file"),
        ({"validation_data": "../x.jsonl"}, "validation_data", "no_file"),
        ({"rank": "1.5"}, "rank", "bad_number"),
        ({"rank": "0"}, "rank", "bad_number"),
        ({"alpha": "nan"}, "alpha", "bad_number"),
        ({"rank": "5000"}, "rank", "refused"),
        ({"quantization": "4bit", "dtype": "float32"}, "quantization", "refused"),
        ({"push_to_hub": "no owner"}, "push_to_hub", "refused"),
    ],
)
def test_what_can_not_be_taken(
    inputs: Inputs, tmp_path: Path, values: dict[str, object], field: str, code: str
) -> None:
    filled = form_values(recipes()["demo"], inputs) | values
    with pytest.raises(FormError) as caught:
        config_of(filled, inputs, tmp_path / "adapter")
    assert (caught.value.field, caught.value.code) == (field, code)
    assert "\n" not in caught.value.reason


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(1e-6, 1e-2)), min_size=1, max_size=4))
def test_differences_are_what_differs(runs: list[tuple[int, float]]) -> None:
    configs = [
        {"rank": rank, "learning_rate": rate, "epochs": 3, "output": f"runs/{number}"}
        for number, (rank, rate) in enumerate(runs)
    ]
    told = differences(configs)
    assert set(told) <= {"rank", "learning_rate"}
    assert ("rank" in told) == (len({rank for rank, _ in runs}) > 1)
    for key, values in told.items():
        assert values == [config[key] for config in configs]
