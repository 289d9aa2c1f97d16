"""Corpora and a judge for the tests of rating: what it gives depends on the dialogue alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.small_dialogues import made_up, write
from training.rate.rubric import DIMENSIONS
from training.rate.sampling import Sample, draw_sample


def corpora(folder: Path, number: int = 3, dialogues: int = 12) -> list[Path]:
    """Files ``c0.jsonl`` and so on, with sources ``corpus-0`` and so on."""
    return [
        write(folder / f"c{n}.jsonl", made_up(dialogues, seed=n, source=f"corpus-{n}"))
        for n in range(number)
    ]


def small_sample(folder: Path, number: int = 3, size: int = 4) -> Sample:
    return draw_sample(corpora(folder, number), size, seed=0)


def scores_of(text: str) -> dict[str, int]:
    """Some scores, the same whenever a dialogue is asked about."""
    digest = hashlib.sha256(text.encode()).digest()
    return {one.name: digest[at] % (one.most + 1) for at, one in enumerate(DIMENSIONS)}


def rating(scores: dict[str, Any], reason: str = "理由") -> str:
    return json.dumps(
        {name: {"reason": reason, "score": score} for name, score in scores.items()},
        ensure_ascii=False,
    )


def judged(body: dict[str, Any]) -> str:
    """A usable answer to a request about a dialogue."""
    return rating(scores_of(body["messages"][1]["content"]))
