"""What a fine-tune leaves: the adapter's folder, and if asked a merged model and a Hub repository.

Nothing in the shipped files names a path of this machine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
import trl
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from mi_arena.jobs.script import BadInput, first_line
from mi_arena.jobs.whole_folder import whole_folder
from training import models, pair_entry
from training.adapter_card import adapter_card
from training.checkpoints import Evaluation, best
from training.finetune_data import Data
from training.output_folder import MERGED, check_output
from training.public_name import public_name

WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Outcome:
    """A finished training, ready to be written out."""

    config: FinetuneConfig
    data: Data
    history: list[Evaluation]
    stopped_early: bool
    checkpoint: Path
    """The best one's folder."""
    trainable_parameters: int
    context: int
    base_commit: str | None
    """Of a base on the Hub: the state that was loaded."""


def write(outcome: Outcome, run: RunDirectory) -> Path:
    """All that the config asks for; returns the adapter's folder."""
    config = outcome.config
    folder = export(outcome)
    if config.merge:
        run.log(f"merged model: {merge(config, folder, outcome.base_commit)}")
    commit = push(config.push_to_hub, folder) if config.push_to_hub else None
    entry = pair_entry.registry_text(
        config, run.path.resolve().name, folder, outcome.context, outcome.base_commit, commit
    )
    write_atomically(run.path / pair_entry.NAME, entry)
    return folder


def training_record(outcome: Outcome) -> dict[str, Any]:
    """What ``training.json`` beside the adapter says: how it was made, and how well it did."""
    config, data, kept = outcome.config, outcome.data, best(outcome.history)
    shown = config.model_dump()
    for key in ("base", "output"):
        shown[key] = public_name(shown[key])
    names = [public_name(file) for file in config.files]
    shown["data"] = names if isinstance(config.data, list) else names[0]
    held = data.validation_counts
    if config.validation_data:
        shown["validation_data"] = public_name(config.validation_data)
    return {
        "config": shown,
        "base_commit": outcome.base_commit,
        "system_prompt": config.system_prompt,
        "data": {
            "manifest_sha256": data.manifest_sha256,
            "manifest": "sha256 over the used dialogues' canonical JSON, sorted, one a line",
            "dialogues_train": len(data.train),
            "dialogues_validation": len(data.validation),
            **asdict(data.counts),
        },
        "validation_data": held
        and {"manifest_sha256": data.validation_manifest_sha256, **asdict(held)},
        "loss": {
            "unit": "nats per token of counsellor turns, end tokens included; epoch 0 is the base",
            "epochs": [asdict(result) for result in outcome.history],
            "best_epoch": kept.epoch,
            "best_validation_loss": kept.validation_loss,
            "stopped_early": outcome.stopped_early,
        },
        "trainable_parameters": outcome.trainable_parameters,
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft, trl)},
    }


def export(outcome: Outcome) -> Path:
    """Write the best checkpoint's adapter to ``output``, replacing an older one in one step."""
    config, source = outcome.config, outcome.checkpoint
    adapter_config = json.loads((source / "adapter_config.json").read_text(encoding="utf-8"))
    adapter_config["base_model_name_or_path"] = public_name(config.base)
    if isinstance(adapter_config["target_modules"], list):
        adapter_config["target_modules"].sort()  # a set to peft: its order would change by run
    record = training_record(outcome)
    target = Path(config.output)
    with replaced(target, check_output) as part:
        shutil.copyfile(source / WEIGHTS, part / WEIGHTS)
        for name, content in (("adapter_config.json", adapter_config), ("training.json", record)):
            text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
            (part / name).write_text(text, encoding="utf-8")
        card = adapter_card(record, target.resolve().name, pair_entry.licence_of(config.base))
        (part / "README.md").write_text(card, encoding="utf-8")
    return target


def merge(config: FinetuneConfig, adapter: Path, commit: str | None) -> Path:
    """Base and adapter as one model, beside the adapter; ``commit`` is what was trained on."""
    target = Path(config.output + MERGED)
    revision = commit or config.revision
    base = models.load_base(config.base, getattr(torch, config.dtype), revision)
    merged = models.load_adapter(base, str(adapter)).merge_and_unload()
    tokenizer = models.load_chat(config.base, config.format, revision).tokenizer
    with replaced(target, lambda _: None) as part:
        merged.save_pretrained(part)
        tokenizer.save_pretrained(part)
    return target


def push(repo: str, folder: Path) -> str:
    """Upload the adapter's folder; returns the commit."""
    try:
        api = HfApi()
        api.create_repo(repo, private=True, exist_ok=True)
        return api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Adapter").oid
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise BadInput(
            f"push_to_hub: {repo}: {first_line(error)}; the adapter is in {folder}, and the same "
            "command tries again"
        ) from None


@contextmanager
def replaced(target: Path, check: Callable[[Path], object]) -> Iterator[Path]:
    """A folder to write into that takes ``target``'s place once all of it is there."""
    try:
        with whole_folder(target, check) as part:
            yield part
    except OSError as error:
        raise BadInput(f"{target}: could not be written: {first_line(error)}") from None
