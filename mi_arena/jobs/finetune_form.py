"""A fine-tune as a form: a recipe, what is changed in it, and the config file they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mi_arena.chat_formats import FORMATS
from mi_arena.jobs.finetune_config import FinetuneConfig, problem_in
from mi_arena.jobs.inputs import DIALOGUE_ENDINGS, Inputs, NoSuchFile
from mi_arena.jobs.steps import Field, Form, FormError, number_in
from mi_arena.settings import ROOT

RECIPES = ROOT / "training" / "recipes"
MODULE = "training.finetune"
ON_HUB = "training.on_hub"
"""The same on rented GPUs."""
CONFIG_NAME = "finetune.yaml"
"""What the form writes into a run's folder; the run's own ``config.yaml`` says all of it."""
ADAPTER = "adapter"

FORM = Form(
    "finetune",
    (
        Field("base", "suggested", required=True),
        Field("data", "files", endings=DIALOGUE_ENDINGS, required=True),
        Field("validation_data", "file", endings=DIALOGUE_ENDINGS),
        Field("rank", "whole", low=1),
        Field("alpha", "number", low=0),
        Field("learning_rate", "number", low=0),
        Field("epochs", "whole", low=1),
        Field("batch_dialogues", "whole", low=1),
        Field("accumulation", "whole", low=1),
        Field("max_length", "whole", low=16),
        Field("dtype", "choice", choices=("float32", "bfloat16", "float16")),
        Field("quantization", "choice", choices=("none", "4bit")),
        Field("gradient_checkpointing", "check"),
        Field("format", "choice", choices=tuple(sorted(FORMATS)), more=True),
        Field("revision", "text", more=True),
        Field("system_prompt", "long", more=True),
        Field("validation", "number", low=0, more=True),
        Field("only_quality", "text", more=True),
        Field("targets", "text", more=True),
        Field("dropout", "number", low=0, more=True),
        Field("rslora", "check", more=True, handle="rank-stabilised"),
        Field("schedule", "choice", choices=("cosine", "linear", "constant"), more=True),
        Field("warmup_ratio", "number", low=0, more=True),
        Field("weight_decay", "number", low=0, more=True),
        Field("evaluations_per_epoch", "whole", low=1, more=True),
        Field("patience", "whole", low=1, more=True),
        Field("save_steps", "whole", low=0, more=True),
        Field("save_total_limit", "whole", low=1, more=True),
        Field("sample_prompts", "lines", more=True),
        Field("sample_tokens", "whole", low=1, more=True),
        Field("seed", "whole", low=0, more=True),
        Field("merge", "check", more=True),
        Field("push_to_hub", "text", more=True),
    ),
)
"""Every key of the config but ``output``, which is the run's own folder."""

EMPTY_MEANS: dict[str, Any] = {"only_quality": None, "sample_prompts": []}
"""Elsewhere an empty field means the key's default."""


@dataclass(frozen=True)
class Recipe:
    """Settings to begin with. ``settings`` leaves out what belongs to one run alone."""

    name: str
    settings: dict[str, Any]
    data: tuple[str, ...] = ()


def recipes(folder: Path = RECIPES) -> dict[str, Recipe]:
    """By name, those that come with the project."""
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        found[file.stem] = recipe_of(file.stem, yaml.safe_load(file.read_text(encoding="utf-8")))
    return found


def recipe_of(name: str, config: Mapping[str, Any]) -> Recipe:
    """A config, as of a recipe or an earlier run, to begin another with."""
    settings = {k: v for k, v in config.items() if k in FinetuneConfig.model_fields}
    data = settings.pop("data", ())
    settings.pop("output", None)
    return Recipe(name, settings, (data,) if isinstance(data, str) else tuple(data))


def form_values(recipe: Recipe, inputs: Inputs) -> dict[str, Any]:
    """What stands in the form's fields for a recipe; files that aren't there are left out."""
    names = {str(inputs.path(n).resolve()): n for n in inputs.names(DIALOGUE_ENDINGS)}
    values: dict[str, Any] = {}
    for field in FORM.fields:
        value = recipe.settings.get(field.name, _default(field.name))
        match field.kind:
            case "files":
                places = [str((ROOT / path).resolve()) for path in recipe.data]
                value = [names[place] for place in places if place in names]
            case "file":
                value = names.get(str((ROOT / str(value)).resolve())) if value else None
            case "check":
                value = bool(value)
            case "choice":
                pass
            case "lines":
                value = "\n".join(value)
            case _:
                value = _shown(value)
        values[field.name] = value
    return values


def not_here(recipe: Recipe, inputs: Inputs) -> list[str]:
    """Files that a recipe names and the form can't choose, as the recipe names them."""
    known = {str(inputs.path(n).resolve()) for n in inputs.names(DIALOGUE_ENDINGS)}
    named = [*recipe.data, *filter(None, [recipe.settings.get("validation_data")])]
    return [name for name in named if str((ROOT / name).resolve()) not in known]


def config_of(values: Mapping[str, object], inputs: Inputs, output: Path) -> FinetuneConfig:
    """The config that the fields make. Raises ``FormError`` for the first that can't be taken."""
    raw: dict[str, Any] = {"output": str(output)}
    for field in FORM.fields:
        value = _value(field, values.get(field.name), inputs)
        if value is not None:
            raw[field.name] = value
        elif field.required:
            raise FormError(field.name, "missing")
        elif field.name in EMPTY_MEANS:
            raw[field.name] = EMPTY_MEANS[field.name]
    try:
        return FinetuneConfig.model_validate(raw)
    except ValidationError as error:
        key, reason = problem_in(error)
        raise FormError(key, "refused", reason) from None


def config_text(config: FinetuneConfig, recipe: str | None) -> str:
    """The file: what is required and what differs from the defaults, in the order of the help."""
    said = {
        name: getattr(config, name)
        for name, field in FinetuneConfig.model_fields.items()
        if field.is_required() or getattr(config, name) != field.default
    }
    head = f"# Begun from the recipe {recipe}.\n" if recipe else ""
    return head + yaml.safe_dump(said, allow_unicode=True, sort_keys=False)


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Keys in which runs differ, with each run's value; where its output lies says nothing."""
    keys = [key for key in FinetuneConfig.model_fields if key != "output"]
    told = {key: [config.get(key) for config in configs] for key in keys}
    return {key: values for key, values in told.items() if any(v != values[0] for v in values)}


def _value(field: Field, value: object, inputs: Inputs) -> Any:
    """A field's value as the config has it; ``None`` where it was left empty."""
    if value is None or value in ("", []):
        return None
    match field.kind:
        case "file" | "files":
            try:
                paths = [_from_root(inputs.path(str(name))) for name in _list(value)]
            except NoSuchFile:
                raise FormError(field.name, "no_file") from None
            return paths[0] if field.kind == "file" or len(paths) == 1 else paths
        case "whole" | "number":
            return number_in(field, value)
        case "check":
            return bool(value)
        case "long":
            return str(value).strip() or None
        case "lines":
            lines = [line.strip() for line in str(value).splitlines()]
            return [line for line in lines if line] or None
    text = " ".join(str(value).split())
    if field.name == "targets" and text != "all-linear":
        return [name for name in text.replace(",", " ").replace("，", " ").split() if name]
    return text or None


def _from_root(path: Path) -> str:
    """As a script that runs in the project's folder would be told."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def _default(key: str) -> Any:
    return FinetuneConfig.model_fields[key].get_default() if key not in ("base", "data") else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
