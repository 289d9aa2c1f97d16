"""Each side equals the separately run base model, or base with adapter, in fp32 greedy.

Padding shifts logits by about 1e-6, so a step may differ only where the reference's top two lie
within 1e-4 of each other; such steps are counted, and more than 0.1 % of them fails.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, RepetitionPenaltyLogitsProcessor

from mi_arena.decoding import Decoding
from mi_arena.engine.batch import Batch, Row
from mi_arena.engine.loading import load_pair
from mi_arena.pairs import load_registry, missing
from mi_arena.settings import ROOT
from tests.conftest import make_pair

GREEDY = Decoding(max_new_tokens=40, temperature=0)
NEAR = 1e-4


@dataclass
class Tally:
    steps: int = 0
    near_ties: int = 0


def check_against_reference(reference: torch.nn.Module, row: Row, tally: Tally) -> None:
    """Every id of the row is the reference's own choice, given the same ids before it."""
    ids = torch.tensor([row.prompt + row.new])
    with torch.inference_mode():
        logits = reference(input_ids=ids).logits[0, len(row.prompt) - 1 : -1]
    penalty = RepetitionPenaltyLogitsProcessor(row.decoding.repetition_penalty)
    for at, (chosen, plain) in enumerate(zip(row.new, logits, strict=True), len(row.prompt)):
        scores = penalty(ids[:, :at], plain[None])[0]
        tally.steps += 1
        best = int(scores.argmax())
        if chosen != best:
            assert scores[best] - scores[chosen] <= NEAR, "a side says what its model would not"
            tally.near_ties += 1


def run_to_end(batch: Batch, arrivals: list[list[Row]], gap: int) -> None:
    """Let rows arrive in groups, some steps apart, and each leave after its own number of ids."""
    waiting, step = list(arrivals), 0
    while waiting or batch.rows:
        if waiting and step % gap == 0:
            batch.admit(waiting.pop(0))
        if batch.rows:
            batch.step()
        batch.keep([r for r in batch.rows if len(r.new) < r.decoding.max_new_tokens])
        step += 1


def rows_of_length(lengths: list[int], vocabulary: int, new: list[int], seed: int) -> list[Row]:
    draw = random.Random(seed)
    rows = []
    for length, limit in zip(lengths, new, strict=True):
        prompt = [draw.randrange(6, vocabulary) for _ in range(length)]
        for tuned in (False, True):
            rows.append(
                Row(
                    list(prompt),
                    tuned,
                    GREEDY.model_copy(update={"max_new_tokens": limit}),
                    np.random.default_rng(0),
                )
            )
    return rows


def references(base: Path, adapter: Path) -> dict[bool, torch.nn.Module]:
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    tuned = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter
    ).eval()
    return {False: plain, True: tuned}


@pytest.mark.parametrize(
    "options", [{}, {"use_rslora": True}, {"target_modules": ["q_proj", "v_proj"]}]
)
def test_sides_equal_separate_models(
    pair_folders: tuple[Path, Path], tmp_path: Path, options: dict[str, object]
) -> None:
    from tests.small_models import small_adapter

    base = pair_folders[0]
    adapter = small_adapter(tmp_path / "adapter", base, seed=3, **options)
    loaded = load_pair(make_pair(base, adapter))
    apart = references(base, adapter)
    tally = Tally()
    for seed in range(4):
        batch = Batch(loaded.model, loaded.mask, loaded.chat.pad_id)
        first = rows_of_length([12, 90], 400, [40, 25], seed)
        second = rows_of_length([200, 3], 400, [30, 40], seed + 100)
        third = rows_of_length([33], 400, [40], seed + 200)
        run_to_end(batch, [first, second, third], gap=7)
        for row in [*first, *second, *third]:
            check_against_reference(apart[row.tuned], row, tally)
    print(f"\n{tally.steps} steps, {tally.near_ties} near ties")
    assert tally.steps >= 1000
    assert tally.near_ties <= tally.steps / 1000


def test_the_tuned_side_differs_from_the_base(pair_folders: tuple[Path, Path]) -> None:
    loaded = load_pair(make_pair(*pair_folders))
    batch = Batch(loaded.model, loaded.mask, loaded.chat.pad_id)
    rows = rows_of_length([20], 400, [20], seed=1)
    run_to_end(batch, [rows], gap=1)
    assert rows[0].new != rows[1].new


def test_the_embedded_pair_equals_separate_models() -> None:
    pair = load_registry(ROOT / "models.yaml")["demo"]
    assert missing(pair) is None, "the embedded pair belongs to the package"
    assert pair.base.path and pair.adapter and pair.adapter.path
    loaded = load_pair(pair)
    apart = references(Path(pair.base.path), Path(pair.adapter.path))
    tally = Tally()
    batch = Batch(loaded.model, loaded.mask, loaded.chat.pad_id)
    vocabulary = loaded.model.config.vocab_size
    groups = [
        rows_of_length([200, 17], vocabulary, [80, 60], 1),
        rows_of_length([450, 5, 60], vocabulary, [50, 80, 80], 2),
    ]
    run_to_end(batch, groups, gap=11)
    for row in (row for group in groups for row in group):
        check_against_reference(apart[row.tuned], row, tally)
    print(f"\n{tally.steps} steps, {tally.near_ties} near ties")
    assert tally.near_ties <= tally.steps / 1000
