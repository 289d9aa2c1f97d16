"""Rows that share a text say what they would say alone, whoever leaves when."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from mi_arena.decoding import Decoding
from mi_arena.engine.batch import Batch, Row
from mi_arena.engine.branches import Branches
from mi_arena.engine.loading import LoadedPair, load_pair
from mi_arena.engine.masked_lora import RowMask
from mi_arena.engine.protocol import EngineError
from tests.conftest import make_pair
from tests.engine.test_equality import Tally, check_against_reference, references
from tests.small_families import family_base
from tests.small_models import small_adapter

pytestmark = pytest.mark.usefixtures("one_thread")

GREEDY = Decoding(max_new_tokens=40, temperature=0, repetition_penalty=1.1)
SAMPLED = Decoding(max_new_tokens=40, temperature=1, top_p=0.9, repetition_penalty=1.1)


def groups_of(pair: LoadedPair, texts: list[list[int]], decoding: Decoding) -> list[list[Row]]:
    """Per arm and list of lengths a group: prompts that are beginnings of one random text."""
    draw = random.Random(len(texts))
    made = []
    for lengths in texts:
        text = [draw.randrange(6, pair.model.config.vocab_size) for _ in range(max(lengths))]
        made += [
            [Row(text[:n], tuned, decoding, np.random.default_rng(n)) for n in lengths]
            for tuned in (True, False)
        ]
    return made


def run(pair: LoadedPair, groups: list[list[Row]], most: dict[int, int]) -> None:
    """Until every row has as many ids as ``most`` says for the length of its prompt."""
    branches = Branches(pair.model, pair.mask, pair.chat.pad_id, groups)
    while branches.rows:
        branches.step()
        branches.let_go([r for r in branches.rows if len(r.new) >= most[len(r.prompt)]])


TEXTS = [[12, 90, 33], [200], [2, 7, 60, 59]]
MOST = {12: 40, 90: 7, 33: 40, 200: 25, 2: 30, 7: 40, 60: 1, 59: 12}


@pytest.mark.parametrize("family", ["demo", "llama3", "baichuan2", "glm4", "chatml"])
def test_every_row_equals_its_model_alone(family: str, tmp_path: Path) -> None:
    base = family_base(tmp_path / "base", family)
    adapter = small_adapter(tmp_path / "adapter", base)
    pair = load_pair(make_pair(base, adapter, format=family, context=1024))
    groups = groups_of(pair, TEXTS, GREEDY)
    run(pair, groups, MOST)
    apart, tally = references(base, adapter), Tally()
    for row in (row for group in groups for row in group):
        assert len(row.new) == MOST[len(row.prompt)]
        check_against_reference(apart[row.tuned], row, tally)
    assert tally.steps == 2 * sum(MOST.values())
    assert tally.near_ties <= tally.steps / 100


def test_sampled_rows_draw_alike_alone_and_in_company(tiny_pair: object) -> None:
    pair = load_pair(tiny_pair)  # type: ignore[arg-type]
    together = groups_of(pair, TEXTS, SAMPLED)
    run(pair, together, MOST)
    apart = [row for group in groups_of(pair, TEXTS, SAMPLED) for row in group]
    for row in apart:
        run(pair, [[row]], MOST)
    assert [row.new for row in apart] == [row.new for group in together for row in group]


def test_the_model_serves_battles_as_before(tiny_pair: object) -> None:
    """The attention of this file is transformers' own wherever no trunk is given."""
    pair = load_pair(tiny_pair)  # type: ignore[arg-type]

    def battle() -> list[int]:
        rows = [Row(list(range(6, 6 + n)), t, GREEDY, np.random.default_rng(0))
                for n, t in ((30, False), (12, True))]  # fmt: skip
        batch = Batch(pair.model, pair.mask, pair.chat.pad_id)
        batch.admit(rows)
        for _ in range(10):
            batch.step()
        return [*rows[0].new, *rows[1].new]

    before = battle()
    run(pair, groups_of(pair, TEXTS, GREEDY), MOST)
    assert battle() == before


def test_a_model_that_forgets_the_far_past_is_refused() -> None:
    config = MistralConfig(
        vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, sliding_window=4,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval()
    row = Row([1, 2, 3], False, GREEDY, np.random.default_rng(0))
    with pytest.raises(EngineError, match="whole text"):
        Branches(model, RowMask(), 0, [[row]])


@pytest.mark.gpu
def test_bf16_on_a_gpu_agrees_with_the_batch_of_battles(pair_folders: tuple[Path, Path]) -> None:
    """bf16 rounds: the first ids agree for most rows."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    pair = load_pair(make_pair(*pair_folders, dtype="bfloat16"))
    groups = groups_of(pair, TEXTS, GREEDY)
    run(pair, groups, dict.fromkeys(MOST, 1))
    rows = [row for group in groups for row in group]
    again = [Row(row.prompt, row.tuned, GREEDY, row.generator) for row in rows]
    Batch(pair.model, pair.mask, pair.chat.pad_id).admit(again)
    agree = sum(one.new == other.new for one, other in zip(rows, again, strict=True))
    assert agree >= 0.8 * len(rows)
