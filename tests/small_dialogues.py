"""Dialogues made on the spot from a few phrases: enough for a small model to learn from."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mi_arena.dialogue import Dialogue, write_dialogues

TROUBLES = ["戒烟", "喝酒", "熬夜", "吃药", "锻炼", "看手机"]
CLIENT = ["我想改变{}，可是每次都忍不住。", "医生让我注意{}，我老忘记。", "说到{}，我最近很累。"]
COUNSELOR = ["听起来{}让你很累，也让你想照顾自己。", "你愿意说说{}对你的不同吗？"]


def made_up(
    number: int, seed: int = 0, rounds: int = 3, split: str = "train", **more: Any
) -> list[Dialogue]:
    """Dialogues that alternate, client first; ``more`` goes into every record."""
    chance = random.Random(seed)
    made = []
    for index in range(number):
        trouble = chance.choice(TROUBLES)
        messages = []
        for _ in range(rounds):
            messages += [
                {"role": "client", "content": chance.choice(CLIENT).format(trouble)},
                {"role": "counselor", "content": chance.choice(COUNSELOR).format(trouble)},
            ]
        record = {
            "id": f"made-{seed}-{index}",
            "source": "made-up",
            "messages": messages,
            "meta": {"split": split, "flags": []},
        }
        made.append(Dialogue.model_validate(record | more))
    return made


def write(path: Path, *parts: Iterable[Dialogue]) -> Path:
    write_dialogues(path, [dialogue for part in parts for dialogue in part])
    return path
