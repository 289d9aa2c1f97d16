"""Train the embedded pair's base model from scratch: ``python -m training.demo_base``.

In: a dialogue JSONL with ``meta.split`` and ``meta.flags`` (SmileChat). Out: a run directory
whose ``model/`` holds tokenizer and weights (bf16 safetensors) as ``transformers`` loads them.
Only train-split dialogues without the ``crisis`` flag are learnt from.

The learning rate stays constant and then falls to zero over the last ``--cooldown`` of the tokens,
so a run can be resumed with more or fewer ``--tokens`` at any time before the fall begins.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

from mi_arena.chat_formats import load_format
from mi_arena.dialogue import BadLine, Dialogue, is_flagged, read_dialogues
from mi_arena.jobs.run_directory import RunDirectory
from training.demo_tokenizer import load_tokenizer, train_tokenizer

LAST_RECORDS = 50
"""Metrics over which the training loss is averaged at the end."""


@dataclasses.dataclass(frozen=True)
class BaseConfig:
    """All that is needed to repeat a run; our own choice throughout."""

    data: str
    tokens: int = 24_000_000
    """Tokens to learn from in all; past the corpus' end it starts over."""
    cooldown: float = 0.3
    """Share of the tokens over which the learning rate falls to zero."""
    vocabulary: int = 8192
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    mlp_width: int = 768
    context: int = 1024
    """Longest sequence the model is made for, and the length used in the cooldown."""
    early_length: int = 256
    """Sequence length before the cooldown: attention is cheaper there."""
    batch_tokens: int = 4096
    muon_lr: float = 0.02
    adamw_lr: float = 0.004
    weight_decay: float = 0.01
    """Of the matrices inside the blocks; 0.1 for a run of many passes over the corpus."""
    warmup_steps: int = 100
    seed: int = 0
    checkpoint_steps: int = 200

    @property
    def steps(self) -> int:
        return self.tokens // self.batch_tokens


def learning_rate_factor(step: int, config: BaseConfig) -> float:
    """Linear warm-up, constant, linear fall to zero."""
    fall_begins = config.steps * (1 - config.cooldown)
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if step < fall_begins:
        return 1.0
    return (config.steps - step) / (config.steps - fall_begins)


def training_dialogues(path: Path) -> list[Dialogue]:
    return [
        dialogue
        for dialogue in read_dialogues(path)
        if dialogue.meta.get("split") == "train" and not is_flagged(dialogue, "crisis")
    ]


def prepare(config: BaseConfig, run: RunDirectory) -> np.ndarray:
    """Tokenizer and token stream, made once per run directory: ids of shape (n,), uint16."""
    stream_file, tokenizer_dir = run.path / "tokens.npy", run.path / "model"
    if stream_file.exists() and (tokenizer_dir / "tokenizer.json").exists():
        return np.load(stream_file)
    dialogues = training_dialogues(Path(config.data))
    if not dialogues:
        raise ValueError(f"{config.data}: no dialogue with meta.split = train; nothing to learn")
    run.log(f"{len(dialogues)} dialogues; training the tokenizer")
    texts = (m.content for d in tqdm(dialogues, desc="tokenizer") for m in d.messages)
    tokenizer = train_tokenizer(texts, config.vocabulary)
    tokenizer.save_pretrained(tokenizer_dir)
    chat = load_format("demo", load_tokenizer(tokenizer_dir))
    order = np.random.default_rng(config.seed).permutation(len(dialogues))
    pieces = [
        np.array(chat.example(dialogues[i].messages).input_ids, dtype=np.uint16)
        for i in tqdm(order, desc="tokens")
    ]
    stream = np.concatenate(pieces)
    part = stream_file.with_name("part.npy")
    np.save(part, stream)
    part.replace(stream_file)
    run.log(f"{len(stream)} tokens")
    return stream


def new_model(
    config: BaseConfig, special: dict[str, int], device: torch.device
) -> LlamaForCausalLM:
    torch.manual_seed(config.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.width,
            intermediate_size=config.mlp_width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.context,
            tie_word_embeddings=True,
            # Fused attention is quicker on a GPU, and written out it is on a CPU.
            attn_implementation="sdpa" if device.type == "cuda" else "eager",
            **special,
        )
    ).to(device)


def optimizers(model: LlamaForCausalLM, config: BaseConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings and norms."""
    blocks = [p for n, p in model.model.layers.named_parameters() if p.ndim == 2]
    chosen = {id(p) for p in blocks}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(
            blocks, lr=config.muon_lr, momentum=0.95, weight_decay=config.weight_decay
        ),
        torch.optim.AdamW(rest, lr=config.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def mixed_precision(device: torch.device) -> torch.autocast:
    """bf16 matrix products where the hardware has them; weights and sums stay in fp32."""
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported()
    else:
        able = bool(torch.backends.cpu.get_cpu_capability().startswith("AVX512"))
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


class Trainer:
    """The loop and all of its state; ``save`` and ``restore`` make it resumable at any kill."""

    def __init__(self, config: BaseConfig, run: RunDirectory, compiled: bool):
        self.config, self.run = config, run
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # On the device as a whole, some 100 MB: a copy a step would keep a GPU waiting.
        self.stream = torch.from_numpy(prepare(config, run).astype(np.int32)).to(self.device)
        tokenizer = load_tokenizer(run.path / "model")
        special = {
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        self.model = new_model(config, special, self.device)
        self.optimizers = optimizers(self.model, config)
        self.step = 0
        self.loss = torch.compile(self._loss) if compiled else self._loss

    def _loss(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy in nats per token; ids and targets of shape (rows, length)."""
        logits = self.model(input_ids=ids, use_cache=False).logits
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The step's slice of the stream, of a shape that depends on the phase only."""
        config = self.config
        late = step >= config.steps * (1 - config.cooldown)
        length = config.context if late else config.early_length
        start = step * config.batch_tokens
        index = torch.arange(start, start + config.batch_tokens + 1, device=self.device)
        ids = self.stream[index % len(self.stream)].long()
        return ids[:-1].view(-1, length), ids[1:].view(-1, length)

    def train(self) -> None:
        config = self.config
        bar = tqdm(total=config.steps, initial=self.step, desc="base", unit="step")
        while self.step < config.steps:
            factor = learning_rate_factor(self.step, config)
            for optimizer, rate in zip(
                self.optimizers, (config.muon_lr, config.adamw_lr), strict=True
            ):
                for group in optimizer.param_groups:
                    group["lr"] = rate * factor
            with mixed_precision(self.device):
                loss = self.loss(*self.batch(self.step))
            loss.backward()
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.step += 1
            bar.update()
            if self.step % 20 == 0:
                value = loss.item()
                if not math.isfinite(value):
                    raise FloatingPointError(f"the loss is {value} at step {self.step}")
                bar.set_postfix(loss=f"{value:.3f}")
                self.run.metric(
                    step=self.step,
                    tokens=self.step * config.batch_tokens,
                    loss=round(value, 4),
                    lr_factor=round(factor, 4),
                )
                self.run.progress(self.step)
            if self.step % config.checkpoint_steps == 0:
                self.save()
        bar.close()
        self.run.progress(self.step)

    def save(self) -> None:
        """One checkpoint file, replaced in one step; a kill leaves the one before."""
        target = self.run.checkpoints / "latest.pt"
        part = target.with_name("latest.pt.part")
        torch.save(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            },
            part,
        )
        part.replace(target)

    def restore(self) -> None:
        target = self.run.checkpoints / "latest.pt"
        if not target.exists():
            return
        state: dict[str, Any] = torch.load(target, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step = state["step"]

    def export(self) -> Path:
        """Write the weights as bf16 safetensors beside the tokenizer."""
        self.save()
        folder = self.run.path / "model"
        weights = copy.deepcopy(self.model).to("cpu", torch.bfloat16)
        weights.save_pretrained(folder, max_shard_size="15MB")
        record = json.dumps(training_record(self.config, self.run), ensure_ascii=False, indent=2)
        (folder / "training.json").write_text(record + "\n", encoding="utf-8")
        return folder


def training_record(config: BaseConfig, run: RunDirectory) -> dict[str, Any]:
    """What ``training.json`` beside the weights says: how they were made."""
    last = [json.loads(line)["loss"] for line in _lines(run.path / "metrics.jsonl")[-LAST_RECORDS:]]
    settings = dataclasses.asdict(config)
    del settings["data"]  # a path of one machine
    del settings["checkpoint_steps"]  # changes nothing about the weights
    return {
        "config": settings,
        "steps": config.steps,
        "tokens_seen": config.steps * config.batch_tokens,
        "loss": {
            "unit": "nats per token, role and end tokens included",
            "mean_of_last_records": sum(last) / len(last) if last else None,
            "records": len(last),
        },
        "log": [line.split(" ", 1)[-1] for line in _lines(run.path / "log.txt")],
    }


def _lines(file: Path) -> list[str]:
    """Of a file that a short run may not have."""
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def changed_since_begun(folder: Path, config: BaseConfig) -> list[str]:
    """Settings that differ from those of the run already in ``folder`` and would mix two runs."""
    file = folder / "config.yaml"
    if not file.exists():
        return []
    before = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    now = dataclasses.asdict(config)
    free = {"tokens", "cooldown", "checkpoint_steps"}
    return sorted(name for name in now if name not in free and before.get(name) != now[name])


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.demo_base", description=__doc__)
    parser.add_argument("--data", required=True, help="SmileChat as dialogue JSONL (.gz allowed)")
    parser.add_argument(
        "--out", required=True, type=Path, help="run directory; resumes if it has begun"
    )
    for field in dataclasses.fields(BaseConfig):
        if field.name != "data":
            parser.add_argument(
                "--" + field.name.replace("_", "-"),
                type=type(field.default),
                default=field.default,
                help="default %(default)s",
            )
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile (needs a C++ compiler)"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = vars(parse(argv))
    run, compiled = RunDirectory(options.pop("out")), options.pop("compile")
    config = BaseConfig(**options)
    if not hasattr(torch.optim, "Muon"):
        print("training.demo_base needs torch 2.9 or newer (torch.optim.Muon)", file=sys.stderr)
        return 2
    if changed := changed_since_begun(run.path, config):
        print(
            f"training.demo_base: {run.path} holds a run with another {', '.join(changed)}; "
            "give another --out (only --tokens and --cooldown may change)",
            file=sys.stderr,
        )
        return 2
    run.start(dataclasses.asdict(config), config.steps)
    try:
        trainer = Trainer(config, run, compiled)
        trainer.restore()
        trainer.train()
        folder = trainer.export()
    except (OSError, BadLine, ValueError) as error:
        run.end("failed", str(error))
        print(f"training.demo_base: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        run.end("stopped")
        return 3
    run.end("done")
    print(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
