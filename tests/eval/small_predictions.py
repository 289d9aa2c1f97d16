"""Predictions made on the spot, and files of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eval.predictions import Prediction

REPLIES = ["你愿意说说吗？", "听起来你很累。", "你想先做哪一步？", "谢谢你告诉我这些。"]


def record(
    dialogue: str = "d1", round: int = 1, arm: str = "base", pair: str = "demo", **more: Any
) -> dict[str, Any]:
    """One line of a predictions file; its reference depends on dialogue and round alone."""
    number = sum(map(ord, dialogue)) + round
    fields = {
        "dialogue_id": dialogue,
        "round": round,
        "arm": arm,
        "pair": pair,
        "prompt_tokens": 10 * round,
        "prediction": REPLIES[(number + len(arm)) % len(REPLIES)] + f"第{round}次。",
        "reference": REPLIES[number % len(REPLIES)] + "我们慢慢来。",
    }
    return fields | more


def records(
    dialogues: int = 3, rounds: int = 2, arms: Iterable[str] = ("base", "tuned"), **more: Any
) -> list[dict[str, Any]]:
    """Every arm answers every round of dialogues d1, d2, …"""
    return [
        record(f"d{dialogue}", round, arm, **more)
        for arm in arms
        for dialogue in range(1, dialogues + 1)
        for round in range(1, rounds + 1)
    ]


def prediction(**fields: Any) -> Prediction:
    return Prediction.model_validate(record() | fields)


def write_records(path: Path, lines: Iterable[Mapping[str, Any] | str]) -> Path:
    """A file of records; a text is written as it stands."""
    texts = [
        line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines
    ]
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return path
