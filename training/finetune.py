"""LoRA-tune a base on dialogues: ``python -m training.finetune CONFIG.yaml [--out RUNDIR]``.

The loss lies on counsellor turns only, through ``chat_formats``; TRL's trainer does the rest. At
each evaluation the validation loss on held-out dialogues is measured, sample replies are written
and a checkpoint is kept; the best one's adapter becomes the output. Stopped by SIGTERM or Ctrl-C
it saves and exits with 3; started again in the same run directory, after any kill, it goes on
from the last complete checkpoint and ends at the same losses. It waits for its turn where another
fine-tune runs beside it, or the arena serves from the same GPU. On several GPUs:
``accelerate launch --config_file training/recipes/accelerate/ddp.yaml -m training.finetune …``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from mi_arena.chat_formats import ChatFormat
from mi_arena.jobs.finetune_config import FinetuneConfig, fields_help, load_config
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import STOPPED, WRONG_INPUT, BadInput, first_line
from training import adapter_output, models
from training.adapter_output import Outcome
from training.checkpoints import best, folder_of
from training.devices import OtherDevice, accelerator, first_process, let_the_first_end
from training.finetune_data import Data, prepare
from training.output_folder import check_output
from training.same_run import check_place, check_same_run


class Stop:
    """SIGTERM or Ctrl-C: while training, the step is finished and saved; else it ends at once."""

    def __init__(self) -> None:
        self.asked = self.training = False

    def __call__(self, *_: object) -> None:
        if self.asked or not self.training:
            raise KeyboardInterrupt
        self.asked = True


def with_adapter(base: transformers.PreTrainedModel, config: FinetuneConfig) -> peft.PeftModel:
    transformers.set_seed(config.seed)
    try:
        tuned = peft.get_peft_model(
            base,
            peft.LoraConfig(
                task_type="CAUSAL_LM",
                r=config.rank,
                lora_alpha=config.alpha,  # type: ignore[arg-type]  # peft scales by any number
                lora_dropout=config.dropout,
                use_rslora=config.rslora,
                target_modules=config.targets,
            ),
        )
    except ValueError as error:
        raise BadInput(f"targets: {first_line(error)}") from None
    assert isinstance(tuned, peft.PeftModel)
    if isinstance(tuned.get_output_embeddings(), peft.tuners.tuners_utils.BaseTunerLayer):
        raise BadInput("targets: the output embeddings can't get an adapter; leave them out")
    return tuned


def ready(config: FinetuneConfig, run: RunDirectory) -> tuple[ChatFormat, Data]:
    """Read and check all that needs no accelerator. Raises ``BadInput`` for what can't be used."""
    run.prepare(config.model_dump())
    check_output(Path(config.output))
    models.check_device(config.dtype, config.quantization == "4bit")
    chat = models.load_chat(config.base, config.format, config.revision)
    shape = models.load_shape(config.base, config.revision)
    context = models.context_length(shape)
    if config.max_length > context:
        raise BadInput(f"max_length: {config.max_length} is more than the base's {context}")
    with_adapter(shape, config)
    data = prepare(config, chat)
    run.log(f"{asdict(data.counts)}; {len(data.validation)} held out for validation")
    return chat, data


def tune(
    config: FinetuneConfig, run: RunDirectory, stop: Stop, chat: ChatFormat, data: Data
) -> Outcome:
    """Train to the end. Raises ``KeyboardInterrupt`` when it was stopped, having saved."""
    base = models.load_base(
        config.base, getattr(torch, config.dtype), config.revision, config.quantization == "4bit"
    )
    return _train(config, run, stop, chat, data, with_adapter(base, config))


def _train(
    config: FinetuneConfig,
    run: RunDirectory,
    stop: Stop,
    chat: ChatFormat,
    data: Data,
    model: peft.PeftModel,
) -> Outcome:
    from training.trainer import CounsellorTrainer

    trainer = CounsellorTrainer(model, config, data, chat, run, lambda: stop.asked)
    run.start(config.model_dump(), trainer.steps)
    stop.training = True
    try:
        trainer.run_to_the_end()
    except torch.cuda.OutOfMemoryError:
        raise BadInput(
            "the GPU's memory is full: lower batch_dialogues (and raise accumulation) or "
            "max_length, or set gradient_checkpointing: true, or quantization: 4bit"
        ) from None
    finally:
        stop.training = False
    if trainer.stopped:
        raise KeyboardInterrupt
    if trainer.out_of_patience():
        run.log(f"stopped early: no better validation loss for {config.patience} evaluations")
    kept = best(trainer.history)
    return Outcome(
        config=config,
        data=data,
        history=trainer.history,
        stopped_early=trainer.out_of_patience(),
        checkpoint=folder_of(run.checkpoints, kept.step),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        context=models.context_length(model),
        base_commit=getattr(model.config, "_commit_hash", None),
    )


def report(outcome: Outcome, folder: Path) -> str:
    counts, data = outcome.data.counts, outcome.data
    lines = [
        f"dialogues: {counts.read} read, {counts.used} used "
        f"({len(data.train)} train, {len(data.validation)} validation)",
        f"left out: {counts.left_out_quality} of other quality, {counts.left_out_test_split} of "
        f"the test split, {counts.left_out_no_counselor_turn} without a counsellor turn, "
        f"{counts.left_out_too_long} too long",
        f"cut at a round: {counts.cut} dialogues, {counts.rounds_cut} late rounds left out",
    ]
    for result in outcome.history:
        losses = [
            f"{name} {value:.4f}"
            for name, value in (("train", result.train_loss), ("valid", result.validation_loss))
            if value is not None
        ]
        mark = "  <- kept" if result == best(outcome.history) else ""
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


def prepare_process() -> None:
    """Quiet libraries; and on several GPUs, each process its own."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    transformers.logging.set_verbosity_error()
    if torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def end(run: RunDirectory | None, state: Any, error: str | None = None) -> None:
    """Note how it ended; on a full disk, not even that."""
    try:
        if run:
            run.end(state, error)
    except OSError:
        pass


def main(argv: list[str] | None = None, stop: Stop | None = None) -> int:
    options = parse(argv)
    run_path = options.out or Path("runs") / options.config.stem
    run: RunDirectory | None = None
    try:
        prepare_process()
        config = load_config(options.config)
        check_place(run_path, rented=False)
        check_same_run(run_path, config)
        run = (RunDirectory if first_process() else OtherDevice)(run_path)
        chat, data = ready(config, run)
        with accelerator(run, config.model_dump()):
            outcome = tune(config, run, stop or Stop(), chat, data)
            if not first_process():
                return 0
            folder = adapter_output.write(outcome, run)
    except (BadInput, OSError) as error:
        end(run, "failed", first_line(error))
        print(f"training.finetune: {first_line(error)}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        end(run, "stopped")
        let_the_first_end(run_path)
        print("training.finetune: stopped; the same command goes on from here", file=sys.stderr)
        return STOPPED
    except Exception as error:
        end(run, "failed", f"{type(error).__name__}: {first_line(error)}")
        raise
    run.end("done")
    print(report(outcome, folder))
    return 0


if __name__ == "__main__":
    interrupt = Stop()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    raise SystemExit(main(stop=interrupt))
