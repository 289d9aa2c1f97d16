"""What only a CUDA device shows of a fine-tune: a base in four bits, and the memory it takes."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from mi_arena.chat_formats import load_format
from mi_arena.engine.loading import load_pair
from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.pairs import load_registry
from tests.small_dialogues import made_up, write
from tests.small_families import FAMILIES, family_base
from tests.training.test_finetune_families import StopAfter, evaluations, written_config
from training import finetune, models
from training.examples import Counts
from training.finetune_data import Data
from training.gpu_kernels import can_fuse
from training.memory import Batch, estimate, weights_bytes
from training.starting import with_adapter
from training.trainer import CounsellorTrainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

MIDDLE = LlamaConfig(
    vocab_size=32000,
    hidden_size=2048,
    intermediate_size=5632,
    num_hidden_layers=8,
    num_attention_heads=16,
    num_key_value_heads=4,
    max_position_embeddings=2048,
)


@pytest.mark.parametrize("quantization", ["none", "4bit"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_resumes_and_serves(family: str, quantization: str, tmp_path: Path) -> None:
    if quantization == "4bit":
        pytest.importorskip("bitsandbytes")
    base = family_base(tmp_path / "base", family)
    data = write(tmp_path / "d.jsonl", made_up(9, rounds=1))

    whole, again = (
        written_config(
            tmp_path / name, base, data, family, dtype="bfloat16", quantization=quantization
        )
        for name in ("whole", "again")
    )
    assert finetune.main([str(whole), "--out", str(whole.parent / "run")]) == 0
    losses = evaluations(whole.parent)
    assert losses[-1]["validation_loss"] < losses[0]["validation_loss"] - 0.1

    arguments = [str(again), "--out", str(again.parent / "run")]
    assert finetune.main(arguments, stop=StopAfter(2)) == 3
    assert finetune.main(arguments) == 0
    for one, other in zip(evaluations(again.parent), losses, strict=True):
        assert one == pytest.approx(other, rel=0.02)  # sums on a GPU come in any order

    [pair] = load_registry(again.parent / "run/pair.yaml").values()
    assert pair.quantization == quantization
    loaded = load_pair(pair)
    chat = load_format(family, loaded.chat.tokenizer)
    ids = torch.tensor([chat.prompt_ids(made_up(1)[0].messages[:1])], device="cuda")
    with torch.no_grad():
        loaded.mask.set([False, True])
        rows = loaded.model(ids.repeat(2, 1)).logits.float().softmax(-1)
    assert (rows[0] - rows[1]).abs().sum(-1).mean() > 0.02


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_the_memory_of_a_step_is_what_was_reckoned(
    dropout: float, checkpointing: bool, tmp_path: Path
) -> None:
    config = FinetuneConfig(
        base="b", data="d", output="o", rank=16, dropout=dropout, dtype="bfloat16",
        gradient_checkpointing=checkpointing, batch_dialogues=4, max_length=1024, epochs=1,
        sample_prompts=[],
    )  # fmt: skip
    chat = models.load_chat(str(family_base(tmp_path / "base", "llama3")), "llama3")
    [one] = made_up(1, rounds=1)
    example = chat.example(one.messages)
    times = 1024 // len(example.input_ids)
    long = type(example)(example.input_ids * times, example.labels * times)
    targets = 4 * sum(label != -100 for label in long.labels[1:])

    with torch.device("meta"):
        weightless = AutoModelForCausalLM.from_config(MIDDLE, dtype=torch.bfloat16)
    weights = weights_bytes(weightless, config)
    batch = Batch(rows=4, longest=len(long.input_ids), targets=targets)
    fused = can_fuse(weightless, True)
    tuned = with_adapter(weightless, config)
    found = estimate(tuned, weights, config, batch, gpu=True, fused=fused)

    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    with torch.device("cuda"):
        base = AutoModelForCausalLM.from_config(MIDDLE, dtype=torch.bfloat16)
    run = RunDirectory(tmp_path / "run")
    run.start(config.model_dump(), 2)
    data = Data([long] * 8, [], Counts(), [], "")
    trainer = CounsellorTrainer(with_adapter(base, config), config, data, chat, run, lambda: False)
    torch.cuda.reset_peak_memory_stats()
    trainer.run_to_the_end()
    peak = torch.cuda.max_memory_allocated() - before
    assert found.needed - found.overhead == pytest.approx(peak, rel=0.15)
