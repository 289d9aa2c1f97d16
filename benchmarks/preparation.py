"""Dialogues to ids and labels, beside a chat template with generation marks mapped over them."""

from __future__ import annotations

import json

import datasets
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from benchmarks.timing import Line, in_turn, seconds
from benchmarks.training import DEMO_BASE, DIALOGUES
from mi_arena.chat_formats import IGNORE, ChatFormat
from mi_arena.jobs.finetune_config import FinetuneConfig
from training.finetune_data import prepare
from training.models import load_chat

TEMPLATE = (
    "<|begin|>{% for said in messages %}<|{{ said['role'] }}|>{% if said['role'] == 'counselor' %}"
    "{% generation %}{{ said['content'] }}<|end|>{% endgeneration %}"
    "{% else %}{{ said['content'] }}<|end|>{% endif %}{% endfor %}"
)
"""The demo format as a chat template, which the demo's tokenizer has none of."""


def ours(chat: ChatFormat) -> Dataset:
    """As a fine-tune does: read, checked, cut at a round, counted, hashed."""
    config = FinetuneConfig(
        base=str(DEMO_BASE),
        data=str(DIALOGUES),
        output="-",
        format="demo",
        max_length=1024,
        only_quality=None,
        validation=0,
    )
    return Dataset.from_list([vars(example) for example in prepare(config, chat).train])


def templated(tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """As users of transformers do; the same ids and labels, with nothing checked."""

    def encoded(row: dict[str, list[dict[str, str]]]) -> dict[str, list[int]]:
        made = tokenizer.apply_chat_template(
            row["messages"],
            chat_template=TEMPLATE,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        ids, said = made["input_ids"], made["assistant_masks"]
        labels = [token if mark else IGNORE for token, mark in zip(ids, said, strict=True)]
        return {"input_ids": ids, "labels": labels}

    with DIALOGUES.open(encoding="utf-8") as lines:
        rows = [{"messages": json.loads(line)["messages"]} for line in lines]
    return Dataset.from_list(rows).map(encoded, remove_columns="messages")


def preparation_line(runs: int) -> Line:
    datasets.disable_progress_bars()
    chat = load_chat(str(DEMO_BASE), "demo")
    count = len(ours(chat))
    first, second, ratio = in_turn(
        lambda: seconds(lambda: ours(chat)),
        lambda: seconds(lambda: templated(chat.tokenizer)),
        runs,
    )
    return Line(
        f"{count} dialogues to ids and labels",
        f"{first:.2f} s",
        "apply_chat_template with a mask of the assistant's tokens, through datasets.map",
        f"{second:.2f} s",
        ratio,
    )
