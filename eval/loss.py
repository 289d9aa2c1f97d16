"""Held-out loss per character: ``python -m eval.loss --base DIR --format demo --data FILE``.

Per character, so that no tokenizer flatters its model. Without ``--adapter``: the base's loss over
all content. With it: the loss of base and tuned on counsellor turns, dialogue by dialogue, and
their difference with a bootstrap interval over dialogues.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from tqdm import tqdm
from transformers import PreTrainedModel

from mi_arena.chat_formats import IGNORE, ChatFormat, Example
from mi_arena.dialogue import BadLine, Dialogue, Message, read_dialogues
from mi_arena.jobs.script import BadInput, first_line
from training import models
from training.batches import collate

DRAWS = 2000
BATCH = 8


@dataclass(frozen=True)
class DialogueLoss:
    """One dialogue under one model; nats are summed cross-entropy.

    ``content``: the text of both roles. ``counselor``: the text of counsellor turns. ``turn``:
    that text with the ends of the turns, over the same characters: what tuning is to improve.
    """

    id: str
    content_nats: float
    content_tokens: int
    content_characters: int
    counselor_nats: float
    counselor_tokens: int
    counselor_characters: int
    turn_nats: float
    turn_tokens: int
    messages_cut: int


@dataclass(frozen=True)
class Measured:
    """A dialogue laid out for measuring, cut at a message where it exceeds the context."""

    id: str
    example: Example
    content: list[bool]
    content_characters: int
    counselor_characters: int
    messages_cut: int


def lay_out(dialogue: Dialogue, chat: ChatFormat, context: int) -> Measured:
    """Late messages are left out, one by one, until the rest fits into ``context`` ids."""
    kept: Sequence[Message] = dialogue.messages
    example = chat.example(kept)
    while len(example.input_ids) > context:
        kept = kept[:-1]
        example = chat.example(kept)
    return Measured(
        dialogue.id,
        example,
        chat.content_mask(kept),
        sum(len(m.content) for m in kept),
        sum(len(m.content) for m in kept if m.role == "counselor"),
        len(dialogue.messages) - len(kept),
    )


@torch.no_grad()
def measure(
    model: PreTrainedModel | PeftModel,
    chat: ChatFormat,
    dialogues: Iterable[Dialogue],
    batch_size: int = BATCH,
    title: str = "loss",
) -> list[DialogueLoss]:
    """The losses of every dialogue, in order. Each position sees all that stands before it."""
    context = models.context_length(model)
    items = [lay_out(dialogue, chat, context) for dialogue in dialogues]
    order = sorted(range(len(items)), key=lambda i: -len(items[i].example.input_ids))
    found: dict[int, DialogueLoss] = {}
    with tqdm(total=len(items), desc=title, unit="dialogue", disable=None) as bar:
        for start in range(0, len(order), batch_size):
            members = order[start : start + batch_size]
            batch = collate([items[i].example for i in members], chat.pad_id, models.device())
            logits = model(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
            ).logits[:, :-1]
            for row, index in enumerate(members):
                found[index] = _row_loss(logits[row].float(), items[index])
            bar.update(len(members))
    return [found[i] for i in range(len(items))]


def _row_loss(logits: torch.Tensor, item: Measured) -> DialogueLoss:
    """``logits`` of shape (at least length - 1, vocabulary): those at i predict id i + 1."""
    device = logits.device
    ids = torch.tensor(item.example.input_ids[1:], device=device)
    labels = torch.tensor(item.example.labels[1:], device=device)
    content = torch.tensor(item.content[1:], device=device)
    turn = labels != IGNORE
    log_probabilities = logits[: len(ids)].log_softmax(-1)
    # Ids and labels differ only where a format teaches an end at the place of another id.
    of_ids = -log_probabilities.gather(-1, ids[:, None])[:, 0].double()
    of_labels = -log_probabilities.gather(-1, labels.clamp(min=0)[:, None])[:, 0].double()
    counselor = content & turn
    return DialogueLoss(
        id=item.id,
        content_nats=float(of_ids[content].sum()),
        content_tokens=int(content.sum()),
        content_characters=item.content_characters,
        counselor_nats=float(of_ids[counselor].sum()),
        counselor_tokens=int(counselor.sum()),
        counselor_characters=item.counselor_characters,
        turn_nats=float(of_labels[turn].sum()),
        turn_tokens=int(turn.sum()),
        messages_cut=item.messages_cut,
    )


def ratio(numerator: float, denominator: float) -> float | None:
    """None where the ratio is not defined; never 0 for want of data."""
    return numerator / denominator if denominator else None


def content_summary(losses: Sequence[DialogueLoss]) -> dict[str, Any]:
    """Sums over all dialogues, then ratios: a long dialogue weighs more than a short one."""

    def total(name: str) -> float:
        return math.fsum(getattr(loss, name) for loss in losses)

    return {
        "n_dialogues": len(losses),
        "nats_per_character": ratio(total("content_nats"), total("content_characters")),
        "nats_per_token": ratio(total("content_nats"), total("content_tokens")),
        "characters": int(total("content_characters")),
        "tokens": int(total("content_tokens")),
        "counselor_nats_per_character": ratio(
            total("counselor_nats"), total("counselor_characters")
        ),
        "counselor_characters": int(total("counselor_characters")),
        "dialogues_cut": sum(loss.messages_cut > 0 for loss in losses),
        "messages_cut": sum(loss.messages_cut for loss in losses),
        "method": "cross-entropy of content tokens, summed over dialogues, divided by the "
        "characters of that content; role and end tokens are context, not counted; dialogues "
        "longer than the context lose late messages",
    }


def paired_difference(
    base: Sequence[DialogueLoss], tuned: Sequence[DialogueLoss], draws: int = DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Tuned minus base on counsellor turns, in nats per character; below zero, tuning helped.

    ``mean``: of the dialogues' own differences. ``pooled``: of summed nats over summed characters.
    Both with a 95 % percentile bootstrap over dialogues; no interval below two dialogues.
    """
    if [loss.id for loss in base] != [loss.id for loss in tuned]:
        raise ValueError("base and tuned were measured on different dialogues")
    pairs = [(b, t) for b, t in zip(base, tuned, strict=True) if b.counselor_characters > 0]
    characters = np.array([b.counselor_characters for b, _ in pairs], dtype=float)
    nats = np.array([(b.turn_nats, t.turn_nats) for b, t in pairs], dtype=float).reshape(-1, 2)
    result: dict[str, Any] = {
        "n_dialogues": len(pairs),
        "n_without_counselor_text": len(base) - len(pairs),
        "counselor_characters": int(characters.sum()),
        "method": "tuned minus base, cross-entropy of counsellor turns (text and end tokens) per "
        f"character; 95 % percentile bootstrap over dialogues, {draws} draws, seed {seed}",
    }
    if not pairs:
        return result | {"undefined": "no dialogue with counsellor text"}
    change = nats[:, 1] - nats[:, 0]
    per_dialogue = change / characters
    result |= {
        "base_nats_per_character": float(nats[:, 0].sum() / characters.sum()),
        "tuned_nats_per_character": float(nats[:, 1].sum() / characters.sum()),
        "mean": float(per_dialogue.mean()),
        "mean_interval": None,
        "pooled": float(change.sum() / characters.sum()),
        "pooled_interval": None,
        "dialogues_improved": int((per_dialogue < 0).sum()),
    }
    if len(pairs) < 2:
        return result | {"interval_undefined": "an interval needs at least two dialogues"}
    chosen = np.random.default_rng(seed).integers(len(pairs), size=(draws, len(pairs)))
    result["mean_interval"] = _interval(per_dialogue[chosen].mean(axis=1))
    result["pooled_interval"] = _interval(
        change[chosen].sum(axis=1) / characters[chosen].sum(axis=1)
    )
    return result


def _interval(drawn: np.ndarray) -> list[float]:
    return [float(edge) for edge in np.quantile(drawn, (0.025, 0.975))]


def compare(
    tuned: PeftModel, chat: ChatFormat, dialogues: Sequence[Dialogue]
) -> tuple[list[DialogueLoss], list[DialogueLoss]]:
    """The dialogues under base and tuned: one model, its adapter off and on."""
    with tuned.disable_adapter():
        base_losses = measure(tuned, chat, dialogues, title="base")
    return base_losses, measure(tuned, chat, dialogues, title="tuned")


def choose(path: str | Path, split: str, limit: int | None = None) -> list[Dialogue]:
    """The dialogues of a split (``all``: every one), the first ``limit`` of them in file order."""
    try:
        chosen = (d for d in read_dialogues(path) if split in ("all", d.meta.get("split")))
        dialogues = list(islice(chosen, limit))
    except FileNotFoundError:
        raise BadInput(f"--data: {path}: no such file") from None
    except (BadLine, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--data: {first_line(error)}") from None
    if not dialogues:
        raise BadInput(f"--data: {path}: no dialogue with meta.split = {split}; try --split all")
    return dialogues


def run(options: argparse.Namespace) -> dict[str, Any]:
    dialogues = choose(options.data, options.split, options.limit)
    chat = models.load_chat(options.base, options.format)
    model = models.load_base(options.base)
    result: dict[str, Any] = {
        "base": options.base,
        "data": options.data,
        "split": options.split,
        "limit": options.limit,
        "context": models.context_length(model),
    }
    if options.adapter is None:
        return result | {"content": content_summary(measure(model, chat, dialogues))}
    base, tuned = compare(models.load_adapter(model, options.adapter), chat, dialogues)
    return result | {
        "adapter": options.adapter,
        "content": content_summary(base),
        "tuned_content": content_summary(tuned),
        "counselor_turns": paired_difference(base, tuned, options.draws, options.seed),
        "dialogues": [
            {"id": b.id, "base": dataclasses.asdict(b), "tuned": dataclasses.asdict(t)}
            for b, t in zip(base, tuned, strict=True)
        ],
    }


def shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def as_text(result: dict[str, Any]) -> str:
    content = result["content"]
    lines = [
        f"{result['data']}, split {result['split']}: n = {content['n_dialogues']} dialogues, "
        f"{content['characters']} characters, {content['tokens']} tokens",
        f"base, all content: {shown(content['nats_per_character'])} nats/character, "
        f"{shown(content['nats_per_token'])} nats/token; counsellor turns alone "
        f"{shown(content['counselor_nats_per_character'])} nats/character",
        f"cut at the context of {result['context']} tokens: {content['dialogues_cut']} dialogues, "
        f"{content['messages_cut']} late messages",
        f"method: {content['method']}",
    ]
    turns = result.get("counselor_turns")
    if turns:
        lines.append("")
        if "undefined" in turns:
            return "\n".join([*lines, f"counsellor turns: undefined ({turns['undefined']})"])
        lines.append(
            f"counsellor turns, n = {turns['n_dialogues']}: base "
            f"{turns['base_nats_per_character']:.4f}, tuned "
            f"{turns['tuned_nats_per_character']:.4f} nats/character (pooled)"
        )
        for name in ("mean", "pooled"):
            edges = turns[f"{name}_interval"]
            interval = f"[{edges[0]:.4f}, {edges[1]:.4f}]" if edges else "undefined (n < 2)"
            lines.append(f"tuned - base, {name}: {turns[name]:.4f}, 95 % interval {interval}")
        lines.append(f"dialogues improved: {turns['dialogues_improved']}")
        lines.append(f"method: {turns['method']}")
    return "\n".join(lines)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be 1 or more")
    return number


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m eval.loss", description=__doc__)
    parser.add_argument("--base", required=True, help="folder of the base model")
    parser.add_argument("--adapter", help="folder of a LoRA adapter to compare with the base")
    parser.add_argument("--format", default="demo", help="chat format (default %(default)s)")
    parser.add_argument("--data", required=True, help="dialogue JSONL (.gz allowed)")
    parser.add_argument("--split", default="test", help="meta.split, or all (default %(default)s)")
    parser.add_argument("--limit", type=positive, help="only the first N dialogues (default: all)")
    parser.add_argument(
        "--draws", type=positive, default=DRAWS, help="bootstrap draws (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON, with every dialogue")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        result = run(options)
    except BadInput as error:
        print(f"eval.loss: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result, ensure_ascii=False, indent=1) if options.json else as_text(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
