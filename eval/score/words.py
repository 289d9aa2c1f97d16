"""Text cut into words by jieba's default mode, without its log lines and its cache file."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import jieba

TEXTS_KEPT = 256
"""Both profiles cut a text, and all systems answer beside the same reference."""


@cache
def tokenizer() -> Any:
    """A jieba of our own, so that words that others add to theirs change no score.

    It is filled here, since jieba's own way trusts a file in the shared temporary folder.
    """
    own = jieba.Tokenizer()
    own.FREQ, own.total = own.gen_pfdict(own.get_dict_file())
    own.initialized = True
    return own


@lru_cache(maxsize=TEXTS_KEPT)
def cut(text: str) -> tuple[str, ...]:
    """All pieces, blanks among them; joined they are ``text`` again."""
    return tuple(tokenizer().cut(text))


@lru_cache(maxsize=TEXTS_KEPT)
def words(text: str) -> tuple[str, ...]:
    """The pieces that are not blank; punctuation counts as words. None of them holds a blank."""
    return tuple(piece for piece in cut(text) if not piece.isspace())
