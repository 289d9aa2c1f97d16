"""LoRA-tune a base on dialogues: ``python -m training.finetune CONFIG.yaml [--out RUNDIR]``.

The loss lies on counsellor turns only, through ``chat_formats``. Each epoch ends with a validation
loss on held-out dialogues and a checkpoint; the best epoch's adapter becomes the output. Started
again in the same run directory after any kill, it goes on from the last complete epoch and ends
at the same losses: order and dropout depend on the seed and the epoch, not on what ran before.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import sys
import warnings
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import peft
import torch
import torch.nn.functional as F
import transformers
import yaml
from tqdm import tqdm

from mi_arena.chat_formats import IGNORE, ChatFormat, Example
from mi_arena.dialogue import BadLine, read_dialogues
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import BadInput, first_line
from training import epoch_checkpoints, models
from training.batches import Batch, collate, length_grouped
from training.epoch_checkpoints import EpochResult, best_epoch
from training.examples import Counts, build_examples, held_out, manifest_hash
from training.finetune_config import FinetuneConfig, fields_help, load_config

METRIC_STEPS = 5
CLIP_NORM = 1.0


@dataclass(frozen=True)
class Data:
    """What is learnt from and what is held out, and how it came about."""

    train: list[Example]
    validation: list[Example]
    counts: Counts
    manifest_sha256: str


def prepare(config: FinetuneConfig, chat: ChatFormat) -> Data:
    try:
        dialogues = chain.from_iterable(read_dialogues(file) for file in config.files)
        made = build_examples(dialogues, chat, config.max_length, config.only_quality)
    except FileNotFoundError as error:
        raise BadInput(f"data: {error.filename}: no such file") from None
    except (BadLine, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"data: {first_line(error)}") from None
    train, validation = held_out(len(made.examples), config.validation, config.seed)
    if not train:
        raise BadInput(
            f"data: {', '.join(config.files)}: {made.counts.used} of {made.counts.read} dialogues "
            "can be used, too few to learn from; see only_quality, max_length and validation"
        )
    return Data(
        [made.examples[i] for i in train],
        [made.examples[i] for i in validation],
        made.counts,
        manifest_hash(made.dialogues),
    )


def with_adapter(base: transformers.PreTrainedModel, config: FinetuneConfig) -> peft.PeftModel:
    torch.manual_seed(config.seed)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    try:
        tuned = peft.get_peft_model(
            base,
            peft.LoraConfig(
                task_type="CAUSAL_LM",
                r=config.rank,
                lora_alpha=config.alpha,  # type: ignore[arg-type]  # peft scales by any number
                lora_dropout=config.dropout,
                target_modules=config.targets,
            ),
        )
    except ValueError as error:
        raise BadInput(f"targets: {first_line(error)}") from None
    assert isinstance(tuned, peft.PeftModel)
    return tuned


def learning_rate_factor(step: int, steps: int, warmup_ratio: float) -> float:
    """Linear warm-up, then a cosine to zero; ``step`` counts from 0."""
    warmup = max(1, round(steps * warmup_ratio))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def summed_loss(model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, int]:
    """Nats over the batch's target tokens, summed, and how many targets there are."""
    logits = model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
    ).logits
    targets = batch.labels[:, 1:]
    learnt = targets != IGNORE
    nats = F.cross_entropy(logits[:, :-1][learnt].float(), targets[learnt], reduction="sum")
    return nats, int(learnt.sum())


class Tuner:
    """The loop over epochs and its state."""

    def __init__(
        self, config: FinetuneConfig, run: RunDirectory, data: Data, model: peft.PeftModel, pad: int
    ):
        self.config, self.run, self.data, self.model, self.pad = (config, run, data, model, pad)
        self.device = models.device()
        self.steps_per_epoch = steps_per_epoch(config, data)
        self.steps = self.steps_per_epoch * config.epochs
        self.optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.history: list[EpochResult] = []

    def train(self) -> None:
        self._restore()
        if not self.history:
            self.history.append(EpochResult(0, None, self.validate()))
        while len(self.history) <= self.config.epochs and not self.out_of_patience():
            epoch = len(self.history)
            train_loss = self._epoch(epoch)
            result = EpochResult(epoch, train_loss, self.validate())
            self.history.append(result)
            epoch_checkpoints.save(
                self.run.checkpoints,
                peft.get_peft_model_state_dict(self.model, save_embedding_layers=False),
                self.optimizer.state_dict(),
                self.history,
            )
            losses = {k: v for k, v in asdict(result).items() if v is not None}
            self.run.metric(step=epoch * self.steps_per_epoch, **losses)
            self.run.log(f"epoch {epoch}: {losses}")
        if self.out_of_patience():
            self.run.log(f"stopped early: no better validation loss for {self.config.patience}")

    def out_of_patience(self) -> bool:
        tuned = len(self.history) - 1
        if tuned < 1 or not self.data.validation:
            return False
        return tuned - best_epoch(self.history) >= self.config.patience

    def _epoch(self, epoch: int) -> float:
        """One pass; returns the mean loss over it, in nats per target token."""
        config, examples = self.config, self.data.train
        torch.manual_seed((config.seed << 16) + epoch)  # of the dropout
        order = length_grouped(
            [len(e.input_ids) for e in examples], config.batch_dialogues, (config.seed, epoch)
        )
        self.model.train()
        nats_sum, token_sum = 0.0, 0
        step = (epoch - 1) * self.steps_per_epoch
        bar = tqdm(order, desc=f"epoch {epoch}/{config.epochs}", unit="step", disable=None)
        for members in bar:
            rate = config.learning_rate * learning_rate_factor(
                step, self.steps, config.warmup_ratio
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            batch = collate([examples[i] for i in members], self.pad, self.device)
            nats, tokens = summed_loss(self.model, batch)
            loss = nats / max(tokens, 1)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            step += 1
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss is {value} at step {step}; lower learning_rate")
            nats_sum, token_sum = nats_sum + nats.item(), token_sum + tokens
            bar.set_postfix(loss=f"{value:.3f}")
            if step % METRIC_STEPS == 0 or len(order) < METRIC_STEPS:
                self.run.metric(step=step, loss=round(value, 4), learning_rate=rate)
                self.run.progress(step)
        self.run.progress(step)
        return nats_sum / max(token_sum, 1)

    @torch.no_grad()
    def validate(self) -> float | None:
        """Nats per target token over the held-out dialogues; None when there are none."""
        examples, size = self.data.validation, self.config.batch_dialogues
        if not examples:
            return None
        self.model.eval()
        ordered = sorted(examples, key=lambda e: len(e.input_ids))
        nats_sum, token_sum = 0.0, 0
        for start in range(0, len(ordered), size):
            batch = collate(ordered[start : start + size], self.pad, self.device)
            nats, tokens = summed_loss(self.model, batch)
            nats_sum, token_sum = nats_sum + nats.item(), token_sum + tokens
        return nats_sum / max(token_sum, 1)

    def _restore(self) -> None:
        found = epoch_checkpoints.latest(self.run.checkpoints)
        if found is None:
            return
        self.history, adapter, optimizer = found
        peft.set_peft_model_state_dict(self.model, adapter)
        self.optimizer.load_state_dict(optimizer)
        done = len(self.history) - 1
        self.run.progress(done * self.steps_per_epoch)
        self.run.log(f"resumed after epoch {done}")


def steps_per_epoch(config: FinetuneConfig, data: Data) -> int:
    return math.ceil(len(data.train) / config.batch_dialogues)


def public_name(base: str) -> str:
    """The base's name as it may stand in a shipped file: never a path of this machine."""
    path = Path(base)
    if not path.is_absolute():
        return path.as_posix() if ".." not in path.parts else path.resolve().name
    working = Path.cwd()
    return path.relative_to(working).as_posix() if path.is_relative_to(working) else path.name


def training_record(tuner: Tuner) -> dict[str, Any]:
    """What ``training.json`` beside the adapter says: how it was made, and how well it did."""
    config, data, best = tuner.config, tuner.data, best_epoch(tuner.history)
    shown = config.model_dump()
    for key in ("base", "output"):
        shown[key] = public_name(shown[key])
    names = [public_name(file) for file in config.files]
    shown["data"] = names if isinstance(config.data, list) else names[0]
    return {
        "config": shown,
        "system_prompt": None,
        "data": {
            "manifest_sha256": data.manifest_sha256,
            "manifest": "sha256 over the used dialogues' canonical JSON, sorted, one a line",
            "dialogues_train": len(data.train),
            "dialogues_validation": len(data.validation),
            **asdict(data.counts),
        },
        "loss": {
            "unit": "nats per token of counsellor turns, end tokens included; epoch 0 is the base",
            "epochs": [asdict(result) for result in tuner.history],
            "best_epoch": best,
            "best_validation_loss": tuner.history[best].validation_loss,
            "stopped_early": tuner.out_of_patience(),
        },
        "trainable_parameters": sum(p.numel() for p in tuner.model.parameters() if p.requires_grad),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
    }


def check_output(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than an adapter."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"output: {folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "adapter_config.json").exists():
        raise BadInput(f"output: {folder}: holds other files than an adapter; name another folder")


def export(tuner: Tuner) -> Path:
    """Write the best epoch's adapter to ``output``, replacing an older one in one step."""
    config, model = tuner.config, tuner.model
    target = Path(config.output)
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    best = best_epoch(tuner.history)
    peft.set_peft_model_state_dict(model, epoch_checkpoints.adapter_of(tuner.run.checkpoints, best))
    model.peft_config["default"].base_model_name_or_path = public_name(config.base)
    # "auto" would ask the Hub whether the base's vocabulary was resized.
    model.save_pretrained(str(part), save_embedding_layers=False)
    (part / "README.md").unlink(missing_ok=True)  # peft's unfilled template
    (part / "adapter_model.safetensors").chmod(0o644)  # written for its owner only
    adapter_config = json.loads((part / "adapter_config.json").read_text(encoding="utf-8"))
    if isinstance(adapter_config["target_modules"], list):
        adapter_config["target_modules"].sort()  # a set to peft: its order would change by run
    for name, content in (
        ("adapter_config.json", adapter_config),
        ("training.json", training_record(tuner)),
    ):
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        (part / name).write_text(text, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
    return target


def check_same_run(run_path: Path, config: FinetuneConfig) -> None:
    """A run directory belongs to one config: resuming under another would mix two runs."""
    file = run_path / "config.yaml"
    if not file.exists():
        return
    before = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    now = config.model_dump()
    changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if changed:
        raise BadInput(
            f"{run_path}: holds a run with another {', '.join(changed)}; give another --out"
        )


def tune(config: FinetuneConfig, run: RunDirectory) -> Tuner:
    run.start(config.model_dump(), 0)
    check_output(Path(config.output))
    chat = models.load_chat(config.base, config.format)
    data = prepare(config, chat)
    run.start(config.model_dump(), steps_per_epoch(config, data) * config.epochs)
    run.log(f"{asdict(data.counts)}; {len(data.validation)} held out for validation")
    base = models.load_base(config.base, getattr(torch, config.dtype))
    context = models.context_length(base)
    if config.max_length > context:
        raise BadInput(f"max_length: {config.max_length} is more than the base's {context}")
    tuner = Tuner(config, run, data, with_adapter(base, config), chat.pad_id)
    tuner.train()
    return tuner


def report(tuner: Tuner, folder: Path) -> str:
    counts, best = tuner.data.counts, best_epoch(tuner.history)
    lines = [
        f"dialogues: {counts.read} read, {counts.used} used "
        f"({len(tuner.data.train)} train, {len(tuner.data.validation)} validation)",
        f"left out: {counts.left_out_quality} of other quality, {counts.left_out_test_split} of "
        f"the test split, {counts.left_out_no_counselor_turn} without a counsellor turn, "
        f"{counts.left_out_too_long} too long",
        f"cut at a round: {counts.cut} dialogues, {counts.rounds_cut} late rounds left out",
    ]
    for result in tuner.history:
        losses = [
            f"{name} {value:.4f}"
            for name, value in (("train", result.train_loss), ("valid", result.validation_loss))
            if value is not None
        ]
        mark = "  <- kept" if result.epoch == best else ""
        lines.append(f"epoch {result.epoch}: {', '.join(losses) or 'not measured'}{mark}")
    return "\n".join([*lines, f"adapter: {folder}"])


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.finetune",
        description=__doc__,
        epilog=fields_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="YAML file; its keys are listed below")
    parser.add_argument(
        "--out",
        type=Path,
        help="run directory; goes on where a run in it was interrupted (default runs/CONFIG-NAME)",
    )
    return parser.parse_args(argv)


def stop_on_terminate(*_: object) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    run_path = options.out or Path("runs") / options.config.stem
    run: RunDirectory | None = None
    try:
        config = load_config(options.config)
        check_same_run(run_path, config)
        run = RunDirectory(run_path)
        tuner = tune(config, run)
        folder = export(tuner)
    except (BadInput, OSError) as error:
        if run:
            run.end("failed", str(error))
        print(f"training.finetune: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if run:
            run.end("stopped")
        print("training.finetune: stopped; the same command goes on from here", file=sys.stderr)
        return 3
    except Exception as error:
        if run:
            run.end("failed", f"{type(error).__name__}: {first_line(error)}")
        raise
    run.end("done")
    print(report(tuner, folder))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop_on_terminate)
    raise SystemExit(main())
