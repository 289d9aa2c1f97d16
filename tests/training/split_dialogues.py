"""Small dialogues for the split's tests: each tells a story of its own unless told otherwise."""

from __future__ import annotations

import random
from typing import Any

from mi_arena.dialogue import Dialogue

WORDS = [
    "戒烟",
    "喝酒",
    "熬夜",
    "吃药",
    "锻炼",
    "手机",
    "早起",
    "血压",
    "体重",
    "工作",
    "家人",
    "朋友",
]


def story(seed: int | str, words: int = 30) -> str:
    """Chinese without sense, different for every seed."""
    chance = random.Random(str(seed))
    return "".join(chance.choice(WORDS) + chr(chance.randint(0x4E00, 0x9FA0)) for _ in range(words))


def one(name: str, text: str | None = None, source: str = "mi_zh", **meta: Any) -> Dialogue:
    """Two rounds; ``topic`` among ``meta`` goes to the top of the record."""
    said = text or story(name)
    half = len(said) // 2
    record: dict[str, Any] = {
        "id": name,
        "source": source,
        "messages": [
            {"role": "client", "content": said[:half]},
            {"role": "counselor", "content": f"听起来{said[half : half + 20]}让你很累。"},
            {"role": "client", "content": said[half:]},
            {"role": "counselor", "content": f"你愿意说说{story('reply' + name, 8)}吗？"},
        ],
    }
    if "topic" in meta:
        record["topic"] = meta.pop("topic")
    return Dialogue.model_validate(record | {"meta": meta})
