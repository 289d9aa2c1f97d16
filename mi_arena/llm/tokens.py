"""How many tokens a text has, roughly. No tokenizer of the endpoint's is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mi_arena.llm.question import Said

HOW = (
    "tokens are estimated: one for each Han character or full-width sign, one for every four other "
    "characters, four for each message; the endpoint's own counts may differ by a third"
)
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def tokens_of(text: str) -> int:
    wide = len(_WIDE.findall(text))
    return wide + -(-(len(text) - wide) // 4)


def tokens_of_messages(messages: Iterable[Said]) -> int:
    return sum(tokens_of(said.content) + 4 for said in messages)
