"""What an evaluation took: seconds, tokens and money, from what its stages noted of themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

LOCAL = "ran on this machine: no price per token"
UNKNOWN = "no stage noted it"


@dataclass(frozen=True)
class Cost:
    """Of one stage; whatever is ``None`` is so for ``reason``."""

    stage: str
    seconds: float | None
    tokens: int | None
    """Written, not read."""
    usd: float | None
    reason: str | None


def seconds_noted(metrics: Path) -> float | None:
    """Over all executions that wrote to ``metrics.jsonl``; each began to count at 0."""
    total, last = 0.0, 0.0
    try:
        lines = metrics.read_text(encoding="utf-8").splitlines()
        noted = [float(json.loads(line)["seconds"]) for line in lines]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for now in noted:
        if now < last:
            total += last
        last = now
    return round(total + last, 1) if noted else None


def reasons(*found: str | None) -> str | None:
    """Several reasons as one."""
    return "; ".join(dict.fromkeys(one for one in found if one)) or None
