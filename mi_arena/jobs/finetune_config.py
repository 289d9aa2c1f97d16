"""The config of a LoRA fine-tune: typed, documented, read from YAML; knows nothing of torch.

The contract between ``training.finetune``, which obeys it, and whoever writes one: a shell, a tab.
Every default is our own choice; none is the paper's (its table of settings was not at hand).
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from mi_arena.chat_formats import FORMATS
from mi_arena.jobs.script import BadInput


class FinetuneConfig(BaseModel):
    """All that is needed to repeat a fine-tune. Relative paths start at the working directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = Field(
        min_length=1,
        description="Folder of the base model, or its name on the Hugging Face Hub. Required.",
    )
    revision: str | None = Field(
        default=None,
        description="Commit sha (or branch) of a base on the Hub; null takes its newest state.",
    )
    data: str | list[str] = Field(
        min_length=1,
        description="Dialogue JSONL to learn from (.gz allowed), or a list of them. Required.",
    )
    output: str = Field(
        min_length=1,
        description="Folder for the finished adapter; an older one there is replaced. Required.",
    )
    format: str = Field(default="demo", description="Chat format: " + ", ".join(sorted(FORMATS)))
    system_prompt: str | None = Field(
        default=None,
        min_length=1,
        description="System prompt before every dialogue, in training and, by the pair's entry, in "
        "the arena; null uses none.",
    )
    validation: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="Share of the dialogues held out (whole dialogues, drawn by the seed); "
        "0 holds out none: no early stop then, and the last state is kept.",
    )
    validation_data: str | None = Field(
        default=None,
        description="Dialogue JSONL to validate on in place of a share; `validation` is not used "
        "then. A dialogue that stands in both is refused.",
    )
    only_quality: str | None = Field(
        default="high",
        description="Leave out dialogues whose `quality` is set and differs; null keeps all.",
    )
    rank: int = Field(default=8, ge=1, le=1024, description="LoRA rank.")
    alpha: float = Field(default=16, gt=0, description="LoRA scale: updates weigh alpha / rank.")
    rslora: bool = Field(
        default=False, description="Updates weigh alpha / sqrt(rank) instead; for large ranks."
    )
    dropout: float = Field(
        default=0.05, ge=0, lt=1, description="Dropout before the LoRA matrices."
    )
    targets: Literal["all-linear"] | list[str] = Field(
        default="all-linear",
        description="Modules that get an adapter: a list of names, or all-linear.",
    )
    learning_rate: float = Field(
        default=1e-4, gt=0, le=1, description="Peak rate of AdamW, reached after the warm-up."
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine",
        description="How the rate goes after the warm-up: to zero by a cosine or a line, or not.",
    )
    warmup_ratio: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Share of all steps over which the rate rises from zero.",
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="AdamW's decay of the LoRA matrices."
    )
    epochs: int = Field(
        default=3, ge=1, le=1000, description="Passes over the training dialogues at most."
    )
    evaluations_per_epoch: int = Field(
        default=1,
        ge=1,
        description="Validation loss, sample replies and a checkpoint so often in each epoch.",
    )
    patience: int = Field(
        default=2,
        ge=1,
        description="Stop after this many evaluations in a row without a better validation loss.",
    )
    batch_dialogues: int = Field(
        default=8, ge=1, description="Dialogues in one forward pass on each device."
    )
    accumulation: int = Field(
        default=1,
        ge=1,
        description="Forward passes per optimiser step: a step learns from batch_dialogues x "
        "accumulation x devices dialogues, in less memory than in one pass.",
    )
    max_length: int = Field(
        default=1024,
        ge=16,
        description="Longest example in tokens. Longer dialogues lose whole late rounds, which "
        "are counted and reported.",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32",
        description="Precision: what the base is loaded in and computes in; the adapter is float32 "
        "(bfloat16 with 4bit). float16 needs a GPU.",
    )
    quantization: Literal["none", "4bit"] = Field(
        default="none",
        description="4bit holds the base in NF4 (QLoRA); needs a GPU, the package bitsandbytes "
        "and dtype bfloat16.",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Recompute activations instead of keeping them: a third slower, far less "
        "memory.",
    )
    sample_prompts: list[str] = Field(
        default=["我想戒烟，可是压力一大就忍不住。", "医生让我多运动，我总是坚持不下来。"],
        description="First client turns answered, greedily, at every evaluation: samples.jsonl in "
        "the run directory shows how the style changes. [] for none.",
    )
    sample_tokens: int = Field(default=96, ge=1, le=1024, description="Longest sample reply.")
    save_steps: int = Field(
        default=0,
        ge=0,
        description="Also keep a checkpoint every so many steps between evaluations; 0 does not.",
    )
    save_total_limit: int = Field(
        default=1, ge=1, description="Last checkpoints that are kept, beside the best one."
    )
    merge: bool = Field(
        default=False,
        description="Also write base and adapter as one model, into OUTPUT-merged.",
    )
    push_to_hub: str | None = Field(
        default=None,
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="Hub repository (owner/name) to upload the adapter to; made private if new. "
        "Needs a token that may write (HF_TOKEN).",
    )
    seed: int = Field(default=0, ge=0, description="Of the held-out draw, the order and dropout.")

    @property
    def files(self) -> list[str]:
        """The files of ``data``."""
        return [self.data] if isinstance(self.data, str) else self.data

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in FORMATS:
            raise ValueError(f"unknown chat format; known: {', '.join(sorted(FORMATS))}")
        return value

    @field_validator("quantization")
    @classmethod
    def _computes_in_bfloat16(cls, value: str, info: ValidationInfo) -> str:
        if value == "4bit" and info.data.get("dtype", "bfloat16") != "bfloat16":
            raise ValueError("4bit computes in bfloat16; set dtype: bfloat16")
        return value

    @field_validator("sample_prompts")
    @classmethod
    def _said_something(cls, value: list[str]) -> list[str]:
        if not all(prompt.strip() for prompt in value):
            raise ValueError("a prompt is empty")
        return value


def load_config(path: Path) -> FinetuneConfig:
    """Read a YAML file; raises ``BadInput`` with one line that names the file and the key."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: must hold `key: value` lines")
    try:
        return FinetuneConfig.model_validate(raw)
    except ValidationError as error:
        key, reason = problem_in(error)
        raise BadInput(f"{path}: {key}: {reason}") from None


def problem_in(error: ValidationError) -> tuple[str, str]:
    """The first key that can't be taken, and why, in half a line."""
    first = error.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else "?"
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, FinetuneConfig.model_fields, n=1)
        hint = f"did you mean {close[0]}?" if close else "see --help for the known keys"
        return key, f"unknown key; {hint}"
    if first["type"] == "missing":
        return key, "missing; this key is required"
    return key, f"{first['msg'].removeprefix('Value error, ')} (got {first['input']!r})"


def yaml_word(value: object) -> str:
    """A value as it is written in the config."""
    return json.dumps(value, ensure_ascii=False).strip('"')


def fields_help() -> str:
    """The config's keys for ``--help``, written from the fields themselves."""
    lines = ["config keys:"]
    for name, field in FinetuneConfig.model_fields.items():
        default = "" if field.is_required() else f" Default: {yaml_word(field.default)}."
        lines.append(f"  {name}: {field.description}{default}")
    return "\n".join(lines)
