"""LoRA-tune a base on dialogues: ``python -m training.finetune CONFIG.yaml [--out RUNDIR]``.

The loss lies on counsellor turns only, through ``chat_formats``; TRL's trainer does the rest. At
each evaluation the validation loss on held-out dialogues is measured, sample replies are written
and a checkpoint is kept; the best one's adapter becomes the output. Stopped by SIGTERM or Ctrl-C
it saves and exits with 3; started again in the same run directory, after any kill, it goes on
from the last complete checkpoint and ends at the same losses. It waits for its turn where another
fine-tune runs beside it, or the arena serves from the same GPU. On several GPUs:
``accelerate launch --config_file training/recipes/accelerate/ddp.yaml -m training.finetune …``.
With ``--check`` nothing is trained or written: dialogues, steps, memory and warnings are told.
"""

from __future__ import annotations

import argparse
import json
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

from mi_arena.engine.residency import device_memory
from mi_arena.jobs.finetune_config import FinetuneConfig, fields_help, load_config
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import (
    DONE,
    STOPPED,
    WRONG_INPUT,
    BadInput,
    fault_line,
    first_line,
    tell_fault,
)
from mi_arena.settings import runs_folder
from training import adapter_output, checking, models, starting
from training.adapter_output import Outcome
from training.check_text import table
from training.checkpoints import best, folder_of
from training.devices import OtherDevice, accelerator, first_process, let_the_first_end
from training.same_run import check_place, check_same_run
from training.starting import Ready, with_adapter


class Stop:
    """SIGTERM or Ctrl-C: while training, the step is finished and saved; else it ends at once.

    A second Ctrl-C doesn't wait for that; a second SIGTERM does, as from a button pressed twice.
    """

    def __init__(self) -> None:
        self.asked = self.training = False

    def __call__(self, number: int = signal.SIGTERM, *_: object) -> None:
        if not self.training or (self.asked and number != signal.SIGTERM):
            raise KeyboardInterrupt
        self.asked = True


def tune(config: FinetuneConfig, run: RunDirectory, stop: Stop, ready: Ready) -> Outcome:
    """Train to the end. Raises ``KeyboardInterrupt`` when it was stopped, having saved."""
    starting.check_room(config, ready.weights_bytes, device_memory())
    with starting.full_memory_told(config):
        base = models.load_base(
            config.base,
            getattr(torch, config.dtype),
            ready.commit or config.revision,
            config.quantization == "4bit",
        )
        return _train(config, run, stop, ready, with_adapter(base, config))


def _train(
    config: FinetuneConfig,
    run: RunDirectory,
    stop: Stop,
    ready: Ready,
    model: peft.PeftModel,
) -> Outcome:
    from training.trainer import CounsellorTrainer

    trainer = CounsellorTrainer(model, config, ready.data, ready.chat, run, lambda: stop.asked)
    run.start(config.model_dump(), trainer.steps)
    stop.training = True
    try:
        trainer.run_to_the_end()
    finally:
        stop.training = False
    if trainer.stopped:
        raise KeyboardInterrupt
    if trainer.out_of_patience():
        run.log(f"stopped early: no better validation loss for {config.patience} evaluations")
    kept = best(trainer.history)
    return Outcome(
        config=config,
        data=ready.data,
        history=trainer.history,
        stopped_early=trainer.out_of_patience(),
        checkpoint=folder_of(run.checkpoints, kept.step),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        context=models.context_length(model),
        base_commit=ready.commit,
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
        help="run directory; goes on where a run in it was interrupted (default: the config's "
        "name, in the folder MI_ARENA_RUNS names, else in runs)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only tell what can be known before a start; ends with 2 where it can't start",
    )
    parser.add_argument("--json", action="store_true", help="with --check: for a program to read")
    parser.add_argument(
        "--devices",
        type=positive,
        default=int(os.environ.get("WORLD_SIZE", "1")),
        metavar="N",
        help="with --check: as many will train together (default 1, or as launched)",
    )
    parser.add_argument(
        "--elsewhere",
        action="store_true",
        help="with --check: it will run on another machine; this one's device is not looked at",
    )
    options = parser.parse_args(argv)
    if options.json and not options.check:
        parser.error("--json goes with --check")
    return options


def positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return int(text)


def check(options: argparse.Namespace, run_path: Path) -> int:
    """Tell what can be known before a start."""
    try:
        prepare_process()
        config = load_config(options.config)
        check_same_run(run_path, config)
        report = checking.check(config, options.devices, options.elsewhere)
    except (BadInput, OSError) as error:
        if options.json:
            print(json.dumps(checking.refused(first_line(error)), ensure_ascii=False))
        print(f"training.finetune: {first_line(error)}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        return STOPPED
    if first_process():
        print(json.dumps(report, ensure_ascii=False) if options.json else table(report))
    return DONE


def prepare_process() -> None:
    """Quiet libraries; and on several GPUs, each process its own."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    transformers.logging.set_verbosity_error()
    if torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        there, number = torch.cuda.device_count(), int(os.environ["LOCAL_RANK"])
        if number >= there:
            raise BadInput(f"more processes than GPUs: there are {there}; start as many")
        torch.cuda.set_device(number)


def end(run: RunDirectory | None, state: Any, error: str | None = None) -> None:
    """Note how it ended; on a full disk, not even that."""
    try:
        if run:
            run.end(state, error)
    except OSError:
        pass


def main(argv: list[str] | None = None, stop: Stop | None = None) -> int:
    options = parse(argv)
    run_path = options.out or runs_folder() / options.config.stem
    if options.check:
        return check(options, run_path)
    run: RunDirectory | None = None
    try:
        prepare_process()
        config = load_config(options.config)
        check_place(run_path, rented=False)
        check_same_run(run_path, config)
        run = (RunDirectory if first_process() else OtherDevice)(run_path)
        run.prepare(config.model_dump())
        ready = starting.get_ready(config)
        counts, held = ready.data.counts, len(ready.data.validation)
        run.log(f"{asdict(counts)}; {held} held out for validation")
        with accelerator(run, config.model_dump()):
            outcome = tune(config, run, stop or Stop(), ready)
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
        end(run, "failed", fault_line(error))
        return tell_fault("training.finetune", error)
    run.end("done")
    print(report(outcome, folder))
    return 0


if __name__ == "__main__":
    interrupt = Stop()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    raise SystemExit(main(stop=interrupt))
