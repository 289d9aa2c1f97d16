"""Replies to a test set, beside asking for them one at a time through ``generate``."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import islice

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from benchmarks.timing import Line, in_turn, seconds
from eval.respond import local
from eval.respond.batches import Ask
from eval.respond.command import BATCH
from eval.respond.rounds import rounds_of
from eval.respond.systems import OF_A_PAIR, Prompts, System, load_mi_prompt
from mi_arena.chat_formats import ChatFormat
from mi_arena.decoding import Decoding
from mi_arena.dialogue import read_dialogues
from mi_arena.engine.loading import device, load_pair
from mi_arena.pairs import Pair
from mi_arena.settings import ROOT

TEST_SET = ROOT / "mi_arena/assets/mi_zh/test.jsonl"
DIALOGUES = 2


def one_at_a_time(model: PeftModel, chat: ChatFormat, asks: list[Ask], decoding: Decoding) -> None:
    """Greedy; one model in memory, its adapter on for the tuned system alone."""
    for ask in asks:
        ids = torch.tensor([ask.prompt], device=device())
        with nullcontext() if ask.system.tuned else model.disable_adapter():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=decoding.max_new_tokens,
                repetition_penalty=decoding.repetition_penalty,
                eos_token_id=sorted(chat.stop_ids),
                pad_token_id=chat.pad_id,
            )


def responding_line(pair: Pair, runs: int) -> Line:
    """The first dialogues of the MI test set, every round by base, prompted base and tuned."""
    loaded = load_pair(pair)
    assert pair.adapter is not None
    base = AutoModelForCausalLM.from_pretrained(pair.base.path, dtype=getattr(torch, pair.dtype))
    model = PeftModel.from_pretrained(base.to(device()), pair.adapter.path).eval()
    decoding = pair.decoding.model_copy(update={"temperature": 0.0})
    asks = local.lay_out(
        loaded,
        [each for one in islice(read_dialogues(TEST_SET), DIALOGUES) for each in rounds_of(one)],
        [System(name) for name in OF_A_PAIR],
        Prompts(pair.system_prompt, load_mi_prompt()),
        decoding.max_new_tokens,
    )

    def together() -> None:
        for batch in local.plan(asks, BATCH):
            for _ in local.decoded(loaded, batch, decoding, seed=0):
                pass

    ours, theirs, ratio = in_turn(
        lambda: seconds(together),
        lambda: seconds(lambda: one_at_a_time(model, loaded.chat, asks, decoding)),
        min(runs, 1),
    )
    return Line(
        f"{len(asks)} replies to {DIALOGUES} test dialogues",
        f"{ours:.1f} s",
        "generate, one reply at a time",
        f"{theirs:.1f} s",
        ratio,
        "≤ 0.25",
    )
