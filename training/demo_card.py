"""Write the model card of the embedded pair: ``python -m training.demo_card --smilechat FILE``.

Every number in it is measured here, from the weights as shipped. The replies are to the first of
the arena's own starters, as a visitor may send them, and to the first turns of the first MI test
dialogues, by their order in the files, whatever they look like.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import PeftModel
from tqdm import tqdm

from eval import loss as held_out_loss
from mi_arena.chat_formats import ChatFormat
from mi_arena.dialogue import Dialogue, Message
from mi_arena.jobs.script import BadInput, first_line
from mi_arena.pairs import load_registry
from mi_arena.settings import ROOT
from training import models
from training.demo_base import BaseConfig

ASSETS = Path("mi_arena/assets")
TEMPLATE = Path(__file__).with_name("demo_card.md")


@dataclasses.dataclass(frozen=True)
class Reply:
    name: str
    client: str
    base: str
    tuned: str


@torch.no_grad()
def reply(
    model: PeftModel, chat: ChatFormat, history: list[Message], options: argparse.Namespace
) -> str:
    """One sampled reply to a history that ends with the client."""
    prompt, _ = chat.fitted_prompt(history, models.context_length(model) - options.max_new_tokens)
    ids = torch.tensor([prompt], device=models.device())
    torch.manual_seed(options.seed)
    made = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=0,
        repetition_penalty=options.repetition_penalty,
        max_new_tokens=options.max_new_tokens,
        eos_token_id=sorted(chat.stop_ids),
        pad_token_id=chat.pad_id,
    )
    return chat.decode(made[0, len(prompt) :].tolist())


def opening_turns(starters: Path, pairs: int) -> list[tuple[str, str]]:
    """Id and Chinese words of the first ``pairs`` starters by order in the file."""
    try:
        topics = yaml.safe_load(starters.read_text(encoding="utf-8"))
        every = [(one["id"], one["zh"]) for ones in topics.values() for one in ones]
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise BadInput(f"--starters: {starters}: {first_line(error)}") from None
    return every[:pairs]


def first_turns(dialogues: list[Dialogue], pairs: int) -> list[tuple[str, str]]:
    """Id and first client turn of the first ``pairs`` dialogues by order in the file."""
    return [
        (dialogue.id, next(m.content for m in dialogue.messages if m.role == "client"))
        for dialogue in dialogues[:pairs]
    ]


def reply_pairs(
    model: PeftModel,
    chat: ChatFormat,
    turns: list[tuple[str, str]],
    options: argparse.Namespace,
) -> list[Reply]:
    """Base and tuned on each of some first client turns, each reply from one seed."""
    pairs = []
    for name, client in tqdm(turns, desc="replies", disable=None):
        history = [Message(role="client", content=client)]
        with model.disable_adapter():
            base = reply(model, chat, history, options)
        tuned = reply(model, chat, history, options)
        pairs.append(Reply(name, client, base, tuned))
    return pairs


def base_facts(folder: Path) -> dict[str, Any]:
    """Tokens, losses and the command of the base's run, from the record beside its weights."""
    try:
        record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"--base: {folder / 'training.json'}: {error}") from None
    config, loss = record["config"], record["loss"]
    flags = [
        f"--{field.name.replace('_', '-')} {config[field.name]}"
        for field in dataclasses.fields(BaseConfig)
        if config.get(field.name, field.default) != field.default and field.name != "data"
    ]
    command = " ".join(
        ["python -m training.demo_base --data SMILECHAT --out runs/demo-base", *flags]
    )
    return {
        "base_config": "\n".join(f"- {key}: {value}" for key, value in config.items()),
        "base_command": command,
        "base_steps": record["steps"],
        "base_tokens": f"{record['tokens_seen']:,}",
        "base_log": "\n".join(f"    {line}" for line in record["log"]),
        "base_train_loss": held_out_loss.shown(loss["mean_of_last_records"]),
        "base_train_records": loss["records"],
    }


def table_cell(text: str) -> str:
    """Text of a client or a model as inert Markdown inside a table."""
    entities = {ord(mark): f"&#{ord(mark)};" for mark in "&<>\\`*_[]|#!~"}
    text = " ".join(text.split()).translate(entities)
    return text or "(empty)"


def pairs_table(pairs: list[Reply]) -> str:
    rows = ["| # | id | client | base | tuned |", "|---|---|---|---|---|"]
    rows += [
        f"| {number} | {table_cell(p.name)} | {table_cell(p.client)} | {table_cell(p.base)} "
        f"| {table_cell(p.tuned)} |"
        for number, p in enumerate(pairs, 1)
    ]
    return "\n".join(rows)


def epochs_table(record: dict[str, Any]) -> str:
    rows = ["| epoch | train | validation |", "|---|---|---|"]
    for result in record["loss"]["epochs"]:
        kept = " (kept)" if result["epoch"] == record["loss"]["best_epoch"] else ""
        train, valid = (
            held_out_loss.shown(result[key]) if result[key] is not None else "not measured"
            for key in ("train_loss", "validation_loss")
        )
        rows.append(f"| {result['epoch']}{kept} | {train} | {valid} |")
    return "\n".join(rows)


def interval(edges: list[float] | None) -> str:
    return f"[{edges[0]:.3f}, {edges[1]:.3f}]" if edges else "undefined (n < 2)"


def facts(options: argparse.Namespace) -> dict[str, Any]:
    """Everything the template has a place for."""
    base_folder, adapter = str(options.base), str(options.adapter)
    found = base_facts(options.base)
    chat = models.load_chat(base_folder, "demo")
    base = models.load_base(base_folder)
    parameters = sum(p.numel() for p in base.parameters())
    smilechat = held_out_loss.choose(options.smilechat, "test", options.limit)
    content = held_out_loss.content_summary(held_out_loss.measure(base, chat, smilechat))
    tuned = models.load_adapter(base, adapter)
    mi_test = held_out_loss.choose(options.mi_test, "test")
    turns = held_out_loss.paired_difference(*held_out_loss.compare(tuned, chat, mi_test))
    record = json.loads((options.adapter / "training.json").read_text(encoding="utf-8"))
    shipped = sum(
        file.stat().st_size
        for folder in (options.base, options.adapter)
        for file in folder.glob("*.safetensors")
    )
    data = record["data"]
    openings = opening_turns(options.starters, options.pairs)
    tests = first_turns(mi_test, options.test_pairs)
    return found | {
        "parameters": f"{parameters / 1e6:.1f}",
        "adapter_parameters": f"{record['trainable_parameters']:,}",
        "shipped_megabytes": f"{shipped / 2**20:.1f}",
        "context": models.context_length(base),
        "smile_n": content["n_dialogues"],
        "smile_limit": f", the first {options.limit} dialogues only" if options.limit else "",
        "smile_limit_flag": f" --limit {options.limit}" if options.limit else "",
        "smile_characters": f"{content['characters']:,}",
        "smile_tokens": f"{content['tokens']:,}",
        "smile_per_character": f"{content['nats_per_character']:.3f}",
        "smile_per_token": f"{content['nats_per_token']:.3f}",
        "smile_counselor": f"{content['counselor_nats_per_character']:.3f}",
        "smile_cut": content["dialogues_cut"],
        "smile_messages_cut": content["messages_cut"],
        "mi_n": turns["n_dialogues"],
        "mi_base": f"{turns['base_nats_per_character']:.3f}",
        "mi_tuned": f"{turns['tuned_nats_per_character']:.3f}",
        "mi_mean": f"{turns['mean']:.3f}",
        "mi_mean_interval": interval(turns["mean_interval"]),
        "mi_pooled": f"{turns['pooled']:.3f}",
        "mi_pooled_interval": interval(turns["pooled_interval"]),
        "mi_improved": turns["dialogues_improved"],
        "mi_method": turns["method"],
        "adapter_config": "\n".join(f"- {k}: {v}" for k, v in record["config"].items()),
        "adapter_epochs": epochs_table(record),
        "adapter_train": data["dialogues_train"],
        "adapter_validation": data["dialogues_validation"],
        "adapter_left_out": data["left_out_quality"],
        "adapter_rounds_cut": data["rounds_cut"],
        "manifest": data["manifest_sha256"],
        "starter_pairs": pairs_table(reply_pairs(tuned, chat, openings, options)),
        "starters": len(openings),
        "test_pairs": pairs_table(reply_pairs(tuned, chat, tests, options)),
        "tests": len(tests),
        "seed": options.seed,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "repetition_penalty": options.repetition_penalty,
        "max_new_tokens": options.max_new_tokens,
        "versions": ", ".join(f"{k} {v}" for k, v in record["versions"].items()),
    }


def parse(argv: list[str] | None) -> argparse.Namespace:
    served = load_registry(ROOT / "models.yaml")["demo"].decoding
    parser = argparse.ArgumentParser(
        prog="python -m training.demo_card",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--smilechat", required=True, help="SmileChat as dialogue JSONL")
    parser.add_argument("--out", type=Path, default=ASSETS / "demo/README.md", help="the card")
    parser.add_argument("--base", type=Path, default=ASSETS / "demo/base", help="base weights")
    parser.add_argument("--adapter", type=Path, default=ASSETS / "demo/adapter", help="adapter")
    parser.add_argument(
        "--mi-test", type=Path, default=ASSETS / "mi_zh/test.jsonl", help="MI test dialogues"
    )
    parser.add_argument(
        "--starters", type=Path, default=ASSETS / "starters.yaml", help="first client turns"
    )
    parser.add_argument("--limit", type=held_out_loss.positive, help="only N SmileChat dialogues")
    parser.add_argument(
        "--pairs", type=held_out_loss.positive, default=20, help="starters replied to"
    )
    parser.add_argument(
        "--test-pairs", type=held_out_loss.positive, default=10, help="test dialogues replied to"
    )
    parser.add_argument("--seed", type=int, default=0, help="of every reply")
    for name, value in (
        ("temperature", served.temperature),
        ("top-p", served.top_p),
        ("repetition-penalty", served.repetition_penalty),
        ("max-new-tokens", served.max_new_tokens),
    ):
        parser.add_argument(
            f"--{name}", type=type(value), default=value, help="of the replies; as served"
        )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        card = TEMPLATE.read_text(encoding="utf-8").format_map(facts(options))
        options.out.write_text(card, encoding="utf-8")
    except (BadInput, OSError) as error:
        print(f"training.demo_card: {error}", file=sys.stderr)
        return 2
    print(options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
