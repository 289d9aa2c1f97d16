"""LoRA training, beside a plain transformers ``Trainer`` with the same settings.

Both learn from the same examples on the same base, from the same fresh adapter, by the same
optimiser and schedule; the plain one draws and pads as it does by itself. The clock runs from the
start of the first step to the end of the last, logging included: setting up and checkpoints are
outside of it, and there is nothing to validate on. ``python -m benchmarks.training ours`` (or
``plain``) prints the peak memory of one training in a process of its own.
"""

from __future__ import annotations

import gc
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from datasets import Dataset
from transformers import (
    DataCollatorForSeq2Seq,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.large_pair import EIGHT_B
from benchmarks.model_flops import DENSE_BF16, model_flops
from benchmarks.timing import Line, turns
from mi_arena.chat_formats import ChatFormat, Example
from mi_arena.dialogue import read_dialogues
from mi_arena.jobs.finetune_config import FinetuneConfig, load_config
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.settings import ROOT
from training.examples import Counts, build_examples
from training.finetune import prepare_process
from training.finetune_data import Data
from training.models import device, load_base, load_chat
from training.starting import with_adapter
from training.trainer import CLIP_NORM, METRIC_STEPS, SCHEDULES, CounsellorTrainer

DEMO_BASE = ROOT / "mi_arena/assets/demo/base"
DIALOGUES = ROOT / "mi_arena/assets/mi_zh/train.jsonl"
RECIPES = ROOT / "training/recipes"
SMALL_DIALOGUES = 16
SMALL_BATCH = 4
LARGE_DIALOGUES = 128


@dataclass(frozen=True)
class Task:
    """What both trainers are given; ``base`` makes the base anew."""

    config: FinetuneConfig
    chat: ChatFormat
    examples: list[Example]
    base: Callable[[], PreTrainedModel]

    @property
    def steps(self) -> int:
        return len(self.examples) // (self.config.batch_dialogues * self.config.accumulation)


@dataclass(frozen=True)
class Trained:
    """One training. Tokens are without padding, positions with it; memory is in bytes."""

    seconds: float
    tokens: int
    positions: int
    peak_memory: int

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds

    @property
    def padding(self) -> float:
        """The share of positions that are padding."""
        return 1 - self.tokens / self.positions


class Clock(TrainerCallback):
    """From the start of the first step to the end of the last."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.ended = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.began is None:
            self.began = self._now()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == state.max_steps:
            self.ended = self._now()

    def seconds(self) -> float:
        assert self.began is not None
        return self.ended - self.began

    def _now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()


class Counted:
    """A collator that counts what passes through it."""

    def __init__(self, collator: Callable[[Any], dict[str, torch.Tensor]]):
        self.collator, self.tokens, self.positions = collator, 0, 0

    def __call__(self, rows: Any) -> dict[str, torch.Tensor]:
        batch = self.collator(rows)
        self.tokens += int(batch["attention_mask"].sum())
        self.positions += batch["attention_mask"].numel()
        return batch


# ---- the two trainers


def ours(task: Task) -> Trained:
    clear_memory()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        run.start(task.config.model_dump(), task.steps)
        trainer = CounsellorTrainer(
            with_adapter(task.base(), task.config),
            task.config,
            Data(task.examples, [], Counts(), [], ""),
            task.chat,
            run,
            lambda: False,
        )
        return trained(trainer, trainer.run_to_the_end)


def plain(task: Task) -> Trained:
    clear_memory()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=with_adapter(task.base(), task.config),
            args=plain_arguments(task, folder),
            train_dataset=Dataset.from_list([vars(example) for example in task.examples]),
            data_collator=DataCollatorForSeq2Seq(task.chat.tokenizer, padding="longest"),
            processing_class=task.chat.tokenizer,
        )
        trainer.remove_callback(PrinterCallback)
        return trained(trainer, trainer.train)


def plain_arguments(task: Task, folder: str) -> TrainingArguments:
    """The settings of ``task``; what they leave open stays as transformers has it."""
    config, gpu = task.config, torch.cuda.is_available()
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=config.batch_dialogues,
        gradient_accumulation_steps=config.accumulation,
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type=SCHEDULES[config.schedule],
        warmup_steps=round(task.steps * config.warmup_ratio),
        weight_decay=config.weight_decay,
        max_grad_norm=CLIP_NORM,
        seed=config.seed,
        bf16=config.dtype == "bfloat16",
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        logging_steps=METRIC_STEPS if task.steps >= METRIC_STEPS else 1,
        save_strategy="no",
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        report_to="none",
        disable_tqdm=True,
    )


def trained(trainer: Trainer, train: Callable[[], object]) -> Trained:
    clock, counted = Clock(), Counted(trainer.data_collator)
    trainer.add_callback(clock)
    trainer.data_collator = counted
    train()
    return Trained(clock.seconds(), counted.tokens, counted.positions, peak_memory())


# ---- memory


def clear_memory() -> None:
    """Let go of the training before, which trainer and callbacks hold in circles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> int:
    """The most that tensors took on the GPU; without one, the most that this process ever held.

    ``ru_maxrss`` alone would not do: on Linux a process inherits it from whoever started it.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except FileNotFoundError:  # a Mac, which counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def memory_of_a_process(trainer: str) -> int:
    """Bytes at the peak of one training on the demo base, beyond those after the imports."""
    command = [sys.executable, "-m", "benchmarks.training", trainer]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return int(done.stdout)


# ---- what they are given


def real_examples(chat: ChatFormat, count: int) -> list[Example]:
    """So many dialogues of the training set, spread over all of it."""
    dialogues = list(read_dialogues(DIALOGUES))
    chosen = dialogues[:: len(dialogues) // count][:count]
    return build_examples(chosen, chat, 1024, None).examples


def small_task() -> Task:
    """The embedded pair's recipe on a few dialogues, in small batches."""
    config = once(load_config(RECIPES / "demo.yaml"), batch_dialogues=SMALL_BATCH)
    chat = load_chat(str(DEMO_BASE), "demo")
    return Task(
        config, chat, real_examples(chat, SMALL_DIALOGUES), lambda: load_base(str(DEMO_BASE))
    )


def large_task(shape: LlamaConfig, dialogues: int) -> Task:
    """The recipe of an 8B model on an 80 GB card; random weights of ``shape`` on the device."""
    config = once(load_config(RECIPES / "llama3-8b-zh-80gb.yaml"))
    chat = load_chat(str(DEMO_BASE), "demo")

    def base() -> PreTrainedModel:
        with device():
            return LlamaForCausalLM._from_config(shape, dtype=torch.bfloat16).eval()

    return Task(config, chat, real_examples(chat, dialogues), base)


def once(config: FinetuneConfig, **changes: object) -> FinetuneConfig:
    """One pass with nothing said meanwhile."""
    silent = {"epochs": 1, "evaluations_per_epoch": 1, "sample_prompts": []}
    return config.model_copy(update=silent | changes)


# ---- rows


def training_lines(runs: int) -> list[Line]:
    """On the demo base."""
    prepare_process()
    task = small_task()
    found = turns(lambda: ours(task), lambda: plain(task), runs)
    held = [memory_of_a_process(name) for name in ("ours", "plain")]
    return [speed_line("demo base", found), memory_line("demo base", *held)]


def large_training_lines(
    runs: int, shape: LlamaConfig = EIGHT_B, dialogues: int = LARGE_DIALOGUES
) -> list[Line]:
    """A model of ``shape`` on this machine's GPU, and the share of the card's peak it uses."""
    prepare_process()
    task = large_task(shape, dialogues)
    found = turns(lambda: ours(task), lambda: plain(task), runs)
    what = f"8B, LoRA rank {task.config.rank}"
    held = [statistics.median(one.peak_memory for one in side) for side in zip(*found, strict=True)]
    flops = model_flops(shape, [len(example.input_ids) for example in task.examples])
    return [speed_line(what, found), memory_line(what, *held), flops_line(what, flops, found)]


def speed_line(what: str, found: Sequence[tuple[Trained, Trained]]) -> Line:
    ratios = [first.speed / second.speed for first, second in found]
    speeds = [statistics.median(one.speed for one in side) for side in zip(*found, strict=True)]
    first, second = found[0]
    return Line(
        f"training, {what}, {first.padding:.0%} padding",
        f"{speeds[0]:,.0f} tok/s",
        f"plain Trainer, same settings, {second.padding:.0%} padding",
        f"{speeds[1]:,.0f} tok/s",
        statistics.median(ratios),
        "≥ 0.97",
        (min(ratios), max(ratios)),
    )


def memory_line(what: str, first: float, second: float) -> Line:
    return Line(
        f"peak memory of training, {what}",
        f"{first / 1e6:,.0f} MB",
        "plain Trainer, same settings",
        f"{second / 1e6:,.0f} MB",
        first / second,
    )


def flops_line(what: str, flops: float, found: Sequence[tuple[Trained, Trained]]) -> Line:
    """Model FLOPs a second, of ``flops`` in each training; a share where the peak is known."""
    speeds = [
        statistics.median(flops / one.seconds for one in side) / 1e12
        for side in zip(*found, strict=True)
    ]
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "this machine"
    peak = DENSE_BF16.get(card)
    told = [f"{speed:.3g} TFLOP/s" for speed in speeds]
    if peak:
        told = [f"{speed / peak:.0%} of {peak:g} TFLOP/s" for speed in speeds]
    ratios = [second.seconds / first.seconds for first, second in found]
    return Line(
        f"model FLOP use, {what}" + ("" if peak else f" (no share: {card}'s peak is not known)"),
        told[0],
        "plain Trainer, same settings",
        told[1],
        statistics.median(ratios),
        "ours ≥ 40 %" if peak else "",
        (min(ratios), max(ratios)),
    )


def main(trainer: str) -> None:
    prepare_process()
    before = 0 if torch.cuda.is_available() else psutil.Process().memory_info().rss
    print({"ours": ours, "plain": plain}[trainer](small_task()).peak_memory - before)


if __name__ == "__main__":
    main(sys.argv[1])
