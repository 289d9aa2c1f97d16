"""TRL's trainer over our own examples: length-grouped batches, one exact validation loss,
checkpoints that are whole or not there, and a stop that saves first.

It knows ids and labels; how dialogues become these, and what becomes of the adapter, it does not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import peft
import psutil
import torch
from datasets import Dataset
from safetensors import SafetensorError
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import GenerationConfig, PrinterCallback, TrainerCallback, TrainerControl
from trl import SFTConfig, SFTTrainer
from trl.trainer.utils import FusedCausalLMOutput

from mi_arena.chat_formats import ChatFormat, Example
from mi_arena.dialogue import Message
from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import BadInput, first_line
from training import checkpoints
from training.batches import GroupedBatches, Padding
from training.checkpoints import Evaluation, Progress
from training.cpu_head import score_learnt_positions
from training.examples import with_prompt
from training.finetune_data import Data
from training.gpu_kernels import attention_of_any_length, fuse_layers
from training.step_counts import evaluation_steps, steps_per_epoch

METRIC_STEPS = 5
CLIP_NORM = 1.0
SAMPLES = "samples.jsonl"
SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


class CounsellorTrainer(SFTTrainer):
    """``SFTTrainer`` with this project's batches, validation, checkpoints and files."""

    control: TrainerControl

    def __init__(
        self,
        model: peft.PeftModel,
        config: FinetuneConfig,
        data: Data,
        chat: ChatFormat,
        run: RunDirectory,
        stop_asked: Callable[[], bool],
    ):
        self.config, self.data, self.chat, self.run = config, data, chat, run
        self.stop_asked, self.stopped = stop_asked, False
        self.progress = Progress()
        self.batches = GroupedBatches(
            [len(example.input_ids) for example in data.train], config.batch_dialogues, config.seed
        )
        arguments = sft_arguments(config, run)
        self.steps_per_epoch = steps_per_epoch(config, len(data.train), arguments.world_size)
        self.steps = self.steps_per_epoch * config.epochs
        arguments.warmup_steps = round(self.steps * config.warmup_ratio)
        arguments.logging_steps = METRIC_STEPS if self.steps_per_epoch >= METRIC_STEPS else 1
        super().__init__(
            model=model,
            args=arguments,
            data_collator=Padding(chat.pad_id),
            train_dataset=Dataset.from_list([vars(example) for example in data.train]),
            processing_class=chat.tokenizer,
        )
        # Of the step so far: nats, target tokens, tokens. They stay on the device until it ends.
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.accelerator.device)
        self.tokens_seen = 0.0
        if arguments.bf16 or arguments.fp16:
            leave_dtypes_to_autocast(model)
        if arguments.use_cpu:
            score_learnt_positions(model.get_base_model())
        if fuse_layers(model.get_base_model()):
            run.log("layers run in liger-kernel's kernels")
        self.remove_callback(PrinterCallback)
        self.add_callback(Following(self))

    # ---- from start to end

    @property
    def history(self) -> list[Evaluation]:
        return self.progress.history

    def out_of_patience(self) -> bool:
        return checkpoints.out_of_patience(self.history, self.config.patience)

    @attention_of_any_length()
    def run_to_the_end(self) -> None:
        """Train from the last complete checkpoint, if there is one; ``stopped`` says if halted."""
        found = checkpoints.latest(self.run.checkpoints)
        step = int(found[0].name.removeprefix(checkpoints.PREFIX)) if found else -1
        if self.is_world_process_zero():
            for name in ("metrics.jsonl", SAMPLES):
                checkpoints.trim(self.run.path / name, step)
        if found is None:
            self.train()
            return
        folder, self.progress = found
        self.run.progress(step)
        self.run.log(f"resumed after step {step}")
        if step < self.steps and not self.out_of_patience():
            self.train(resume_from_checkpoint=str(folder))

    # ---- what the trainer asks

    def get_train_dataloader(self) -> DataLoader[Any]:
        return self.accelerator.prepare(
            DataLoader(
                self.train_dataset,
                batch_sampler=self.batches,
                collate_fn=self.data_collator,
                pin_memory=self.args.dataloader_pin_memory,
            )
        )

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The mean over the step's target tokens. Nothing is read here: reading waits for a GPU."""
        assert num_items_in_batch is not None and not return_outputs
        scored = self._scored(model, inputs)
        nats = -scored.log_probs.sum()
        counts = (scored.label_mask, inputs["attention_mask"])
        self.sums += torch.stack([one.sum().double() for one in (nats.detach(), *counts)])
        # Gradients are averaged over the devices, and what is meant is their sum.
        return nats / num_items_in_batch.clamp(min=1) * self.accelerator.num_processes

    def count_step(self) -> None:
        """Take the step's sums into the progress, before the optimiser obeys its gradients.

        Raises ``BadInput`` when the loss is no number.
        """
        nats, targets, tokens = self.sums.tolist()
        self.sums.zero_()
        if not math.isfinite(nats):
            raise BadInput(
                f"the loss is {nats} at step {self.state.global_step + 1}; lower learning_rate"
            )
        self.progress.nats += nats
        self.progress.tokens += int(targets)
        self.tokens_seen += tokens

    def tokens_since(self) -> float:
        """Tokens, without padding, that all devices learnt from since this was last asked."""
        tokens, self.tokens_seen = self.tokens_seen, 0.0
        return self._reduced([tokens])[0] if self.accelerator.num_processes > 1 else tokens

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not kept: to count them the trainer would walk through the whole model at each pass."""
        return 0

    @torch.no_grad()
    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        """Note the losses; ask to stop when patience is at its end."""
        self._gather_progress()
        progress, step = self.progress, self.state.global_step
        epoch = step / self.steps_per_epoch
        found = self._validation_loss()
        if found is not None and not math.isfinite(found):
            raise BadInput(f"the validation loss is {found} at step {step}; lower learning_rate")
        result = Evaluation(
            epoch=round(epoch) if step % self.steps_per_epoch == 0 else round(epoch, 3),
            train_loss=progress.nats / progress.tokens if progress.tokens else None,
            validation_loss=found,
            step=step,
        )
        progress.history.append(result)
        progress.nats, progress.tokens = 0.0, 0
        losses = {
            name: value
            for name in ("epoch", "train_loss", "validation_loss")
            if (value := getattr(result, name)) is not None
        }
        self.run.metric(step=step, **losses)
        self.run.log(f"step {step}: {losses}")
        if self.is_world_process_zero():
            self._sample(step)
        if self.out_of_patience():
            self.control.should_training_stop = True
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, {})
        return {}

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        root, step = self.run.checkpoints, self.state.global_step
        self._gather_progress()
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                checkpoints.finish(root, step, self.progress)
                checkpoints.forget(root, self.history, self.config.save_total_limit)
        except (OSError, RuntimeError, SafetensorError) as error:
            checkpoints.sweep(root)
            raise BadInput(
                f"{root}: checkpoint {step} could not be written: {first_line(error)}; make room, "
                "and the same command goes on from the one before"
            ) from None

    def _get_output_dir(self, trial: object) -> str:
        return str(self.run.checkpoints.resolve() / checkpoints.PART)

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None
    ) -> None:
        """The adapter alone."""
        if self.args.should_save:
            # "auto" would ask the Hub whether the base's vocabulary was resized.
            self.model.save_pretrained(
                output_dir, state_dict=state_dict, save_embedding_layers=False
            )

    def create_model_card(self, *_: object, **__: object) -> None:
        """Not TRL's template: the card is written from what this run knows, at its end."""

    def _send_telemetry(self) -> None:
        """Nobody is told of a run."""

    # ---- parts of these

    def _gather_progress(self) -> None:
        """Sums over all devices into the first one's."""
        if self.accelerator.num_processes == 1:
            return
        progress = self.progress
        sums = self._reduced([progress.nats, progress.tokens])
        first = self.is_world_process_zero()
        progress.nats, progress.tokens = (sums[0], int(sums[1])) if first else (0.0, 0)

    def _validation_loss(self) -> float | None:
        """Nats per target token over what is held out; None when there is nothing."""
        examples = sorted(self.data.validation, key=lambda example: len(example.input_ids))
        if not examples:
            return None
        self.model.eval()
        size, nats, tokens = self.config.batch_dialogues, 0.0, 0.0
        starts = range(0, len(examples), size)
        for start in starts[self.accelerator.process_index :: self.accelerator.num_processes]:
            found = self._nats(examples[start : start + size])
            nats, tokens = nats + found[0], tokens + found[1]
        if self.accelerator.num_processes > 1:
            nats, tokens = self._reduced([nats, tokens])
        return nats / max(tokens, 1)

    def _nats(self, examples: list[Example]) -> tuple[float, int]:
        inputs = self._prepare_inputs(self.data_collator([vars(example) for example in examples]))
        scored = self._scored(self.model, inputs)
        return -scored.log_probs.double().sum().item(), int(scored.label_mask.sum())

    def _scored(self, model: torch.nn.Module, inputs: dict[str, Any]) -> FusedCausalLMOutput:
        """Log-probabilities of the targets, (rows, longest - 1), and where they are.

        Rows are padded on the right and attention is causal, so no token sees a pad and none has
        to be masked: without a mask, attention runs in faster kernels.
        """
        ids, labels = inputs["input_ids"], inputs["labels"]
        return model(input_ids=ids, labels=labels, use_cache=False, fused_lm_head=True)

    def _reduced(self, numbers: list[float]) -> list[float]:
        device = self.accelerator.device
        tensor = torch.tensor(numbers, dtype=torch.float64, device=device)
        return self.accelerator.reduce(tensor, "sum").tolist()

    def _sample(self, step: int) -> None:
        """Greedy replies to the fixed prompts."""
        self.model.eval()
        context = self.model.config.max_position_embeddings
        greedy = GenerationConfig(
            do_sample=False,
            max_new_tokens=self.config.sample_tokens,
            eos_token_id=sorted(self.chat.stop_ids),
            pad_token_id=self.chat.pad_id,
        )
        for prompt in self.config.sample_prompts:
            said = with_prompt([Message(role="client", content=prompt)], self.config.system_prompt)
            ids = self.chat.prompt_ids(said)
            ids = ids[: context - self.config.sample_tokens]
            tensor = torch.tensor([ids], device=self.accelerator.device)
            with self.accelerator.autocast():
                made = self.model.generate(
                    input_ids=tensor,
                    attention_mask=torch.ones_like(tensor),
                    generation_config=greedy,
                )
            reply = self.chat.decode(made[0, len(ids) :].tolist())
            record = {"step": step, "prompt": prompt, "reply": reply}
            with (self.run.path / SAMPLES).open("a", encoding="utf-8") as out:
                out.write(json.dumps(record, ensure_ascii=False) + "\n")


class Following(TrainerCallback):
    """When to evaluate, save and stop; and what the run directory is told meanwhile."""

    def __init__(self, trainer: CounsellorTrainer):
        self.trainer = trainer
        self.evaluations = evaluation_steps(trainer.config, trainer.steps_per_epoch)
        self.bar: tqdm[Any] | None = None
        self.seconds, self.began = 0.0, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        trainer = self.trainer
        first = trainer.is_world_process_zero()
        self.bar = tqdm(
            total=trainer.steps,
            initial=state.global_step,
            desc="fine-tuning",
            unit="step",
            disable=None if first else True,
        )
        if not trainer.history:
            trainer.evaluate()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.batches.epoch = state.global_step // self.trainer.steps_per_epoch

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.began = time.monotonic()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.count_step()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        trainer, step = self.trainer, state.global_step
        self.seconds += time.monotonic() - self.began
        assert self.bar is not None
        self.bar.update()
        if self._stop_asked() and step < trainer.steps:
            trainer.stopped = control.should_save = control.should_training_stop = True
        if step in self.evaluations:
            control.should_log = control.should_evaluate = control.should_save = True
        every = trainer.config.save_steps
        if every and step % every == 0:
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" not in logs:
            return
        trainer, step = self.trainer, state.global_step
        tokens = trainer.tokens_since()
        trainer.run.metric(
            step=step,
            loss=round(logs["loss"], 4),
            learning_rate=logs["learning_rate"],
            tokens_per_second=round(tokens / max(self.seconds, 1e-6), 1),
            memory_bytes=memory_bytes(),
        )
        self.seconds = 0.0
        trainer.run.progress(step)
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.run.progress(state.global_step)
        if self.bar is not None:
            self.bar.close()

    def _stop_asked(self) -> bool:
        asked = self.trainer.stop_asked()
        if self.trainer.accelerator.num_processes > 1:  # all stop at one step, or none
            return self.trainer._reduced([float(asked)])[0] > 0
        return asked


def leave_dtypes_to_autocast(model: peft.PeftModel) -> None:
    """Let adapters take activations as they come; from then on only autocast may run the model.

    peft would widen each to the adapter's float32 and drop out there, and autocast narrow it
    again: three passes over every activation that change nothing.
    """
    module: Any
    for module in model.modules():
        if hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = False


def memory_bytes() -> int:
    """The most a GPU has held so far; without one, what this process holds now."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return psutil.Process().memory_info().rss


def sft_arguments(config: FinetuneConfig, run: RunDirectory) -> SFTConfig:
    """Everything that TRL and transformers would otherwise choose or do themselves is said here."""
    gpu = torch.cuda.is_available()
    try:
        return SFTConfig(
            output_dir=str(run.checkpoints.resolve()),
            # Examples come cut at a round: nothing is cut, shuffled or labelled again.
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            per_device_train_batch_size=config.batch_dialogues,
            gradient_accumulation_steps=config.accumulation,
            num_train_epochs=config.epochs,
            learning_rate=config.learning_rate,
            lr_scheduler_type=SCHEDULES[config.schedule],
            weight_decay=config.weight_decay,
            max_grad_norm=CLIP_NORM,
            seed=config.seed,
            bf16=config.dtype == "bfloat16",
            fp16=config.dtype == "float16",
            gradient_checkpointing=config.gradient_checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False},
            use_cpu=not gpu,
            dataloader_pin_memory=gpu,
            ddp_find_unused_parameters=False,
            router_aux_loss_coef=0.0,  # the loss is that of the counsellor's words, nothing else
            # ``Following`` says when to evaluate and save.
            eval_strategy="no",
            save_strategy="no",
            logging_nan_inf_filter=False,
            report_to="none",
            disable_tqdm=True,
        )
    except ValueError as error:  # as bfloat16 on a card without it
        raise BadInput(f"dtype: {config.dtype}: {first_line(error)}") from None
