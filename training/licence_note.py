"""What a base's licence asks of whoever tunes it and publishes the result, in one line.

No legal advice: what the licences' own texts say, as far as it concerns an adapter. Read them.
"""

from __future__ import annotations

from pathlib import Path

from training.pair_entry import licence_of, pair_of

OPEN = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0"}
ASKS = {
    "baichuan": "research is free; commercial use needs a licence that Baichuan gives on request",
    "glm-4": "research is free; commercial use must be registered with Zhipu AI; the name of what "
    "is tuned on it begins with glm-4",
    "llama 3": "what is tuned on it and published has a name that begins with Llama 3 and says "
    "Built with Meta Llama 3; Meta's acceptable use policy holds",
}
"""By a word of the licence's name."""


def licence_note(base: str) -> str | None:
    """One line, with the base's page; None where the licence is an open one."""
    licence = licence_of(base)
    if licence is not None and licence.lower() in OPEN:
        return None
    page = _page(base)
    see = f"; see {page}" if page else ""
    if licence is None:
        return f"licence of the base: not known{see or '; see its card'}"
    asks = (said for word, said in ASKS.items() if word in licence.lower())
    told = next(asks, "not one of the open ones; read it before the adapter is published")
    return f"licence of the base: {licence}: {told}{see}"


def _page(base: str) -> str | None:
    pair = pair_of(base)
    if pair and pair.links:
        return str(pair.links[0])
    return None if Path(base).is_dir() else f"https://huggingface.co/{base}"
