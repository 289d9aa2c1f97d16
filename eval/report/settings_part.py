"""What was evaluated and how: pairs with their weights, prompts, decoding, data and versions.

Names and digests, never a path of the machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

from eval.report.parts import Block, Heading, Paragraph, Part, Table
from eval.report.words import Words
from mi_arena.pairs import Pair

LIBRARIES = (
    *("torch", "transformers", "peft", "numpy", "scipy", "jieba", "rouge-score", "sacrebleu"),
    *("matplotlib", "pydantic"),
)
_OF_RESPOND = (
    *("systems", "limit", "format", "context", "decoding", "seed", "system_prompt"),
    *("mi_prompt_version", "mi_prompt_sha256", "weights", "versions"),
)
_OF_PAIR = ("id", "name", "format", "dtype", "quantization", "context", "licence", "chinese_only")


@dataclass(frozen=True)
class Answered:
    """A pair whose replies were made for this report."""

    pair: Pair
    config: Mapping[str, Any]
    """Of the run that made them."""
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class InputFile:
    """A file that numbers rest on, by name and digest."""

    name: str
    sha256: str
    n: int
    of: str
    """What is counted: rounds, predictions."""


def settings_part(
    answered: Sequence[Answered], inputs: Sequence[InputFile], facts: Sequence[str], words: Words
) -> Part:
    """``facts`` are lines on the study's record."""
    pairs = [_pair(one) for one in answered]
    versions = {name: version(name) for name in LIBRARIES}
    data = {
        "pairs": pairs,
        "inputs": [vars(one) for one in inputs],
        "study": list(facts),
        "versions": versions,
    }
    blocks: list[Block] = []
    for pair in pairs:
        blocks += [Heading(f"{words('pair')} {pair['entry']['id']}"), _facts(pair, words)]
    if inputs:
        rows = [[one.name, str(one.n), one.of, one.sha256] for one in inputs]
        header = [*words.all("file", "n", "counted"), "SHA-256"]
        blocks += [Heading(words("inputs")), Table(header, rows)]
    blocks += [Paragraph(fact) for fact in facts]
    told = ", ".join(f"{name} {one}" for name, one in versions.items())
    return Part(
        "settings", words("settings"), data, [*blocks, Paragraph(f"{words('versions')}: {told}")]
    )


def _pair(one: Answered) -> dict[str, Any]:
    entry = one.pair.model_dump(mode="json", include=set(_OF_PAIR))
    for name in ("base", "adapter"):
        source = getattr(one.pair, name)
        entry[name] = None if source is None else {"repo": source.repo, "revision": source.revision}
    config = {name: one.config[name] for name in _OF_RESPOND if name in one.config}
    return {
        "entry": entry,
        "respond": config,
        "replies": one.summary["systems"],
        "adapter_training": _training(one.pair),
    }


def _training(pair: Pair) -> dict[str, Any]:
    """What ``training.json`` beside the adapter says."""
    if pair.adapter is None or pair.adapter.path is None:
        return {"value": None, "reason": "the adapter is no folder of this machine"}
    try:
        text = (Path(pair.adapter.path) / "training.json").read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError):
        return {"value": None, "reason": "the adapter has no training.json that can be read"}
    return {"value": without_folders(found)}


def without_folders(value: Any) -> Any:
    """Absolute paths as the names at their ends."""
    if isinstance(value, dict):
        return {key: without_folders(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_folders(one) for one in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _facts(pair: Mapping[str, Any], words: Words) -> Table:
    """A row a setting; what has parts is told as JSON."""
    respond, entry = pair["respond"], pair["entry"]
    training = pair["adapter_training"]
    rows = {
        "name": entry["name"][words.lang],
        "weights": respond.get("weights"),
        "systems": respond.get("systems"),
        "decoding": respond.get("decoding"),
        "seed": respond.get("seed"),
        "system_prompt": respond.get("system_prompt"),
        "mi_prompt": f"{respond.get('mi_prompt_version')}, {respond.get('mi_prompt_sha256')}",
        "replies": pair["replies"],
        "training": training.get("reason") or training["value"].get("config", training["value"]),
    }
    cells = [[words(f"set_{name}"), _cell(value)] for name, value in rows.items()]
    return Table(words.all("setting", "value"), cells)


def _cell(value: object) -> str:
    """Plain words instead of JSON: ``rank 8, alpha 16.0``."""
    match value:
        case None:
            return "–"
        case Mapping():
            return ", ".join(f"{key} {_inside(one)}" for key, one in value.items())
        case list() | tuple():
            return ", ".join(map(_inside, value))
        case _:
            return str(value)


def _inside(value: object) -> str:
    return f"({_cell(value)})" if isinstance(value, Mapping) else _cell(value)
