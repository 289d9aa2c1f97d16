"""What is let in as a client's message or as a free-text reason.

Role markers stay in as plain text: ``chat_formats`` sees to it that text never becomes a role, and
what somebody typed is part of the record. Nothing here escapes HTML; the page does.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Code = Literal["empty", "too_long", "nothing_readable"]

ZWJ = "\u200d"
LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029\u000b\u000c]")
INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters by category, but nothing to see: fillers and the blank Braille pattern."""
JOINED_EMOJI = frozenset(["So", "Sm", "Sk"])
RAW_FACTOR = 16
"""Text this many times over the limit is refused before any work is spent on it."""


class BadText(ValueError):
    """Text that cannot be taken; ``code`` picks the sentence shown in the reader's language."""

    def __init__(self, code: Code, *, limit: int, length: int):
        super().__init__(f"{code} (length {length}, limit {limit})")
        self.code: Code = code
        self.limit = limit
        self.length = length


def clean(text: str, limit: int) -> str:
    """The text as it is stored and shown to a model; at most ``limit`` characters (code points).

    Control and format characters go (a ZWJ inside an emoji stays, a tab becomes a space), line ends
    become ``\\n``, at most one blank line stands in a row, and space around the text and at line
    ends goes. Cleaning twice changes nothing. Raises ``BadText``.
    """
    if len(text) > limit * RAW_FACTOR:
        raise BadText("too_long", limit=limit, length=len(text))
    if not text.strip():
        raise BadText("empty", limit=limit, length=0)
    text = LINE_ENDS.sub("\n", text).replace("\t", " ")
    text = "".join(c for c in text if c in ("\n", ZWJ) or not _is_control(c))
    text = _without_loose_joiners(text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    if not any(_is_readable(c) for c in text):
        raise BadText("nothing_readable", limit=limit, length=len(text))
    if len(text) > limit:
        raise BadText("too_long", limit=limit, length=len(text))
    return text


def _is_control(character: str) -> bool:
    # Cs: half a surrogate pair, which JSON can carry and UTF-8 cannot.
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _is_readable(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNPS" and character not in INVISIBLE


def _without_loose_joiners(text: str) -> str:
    """Drop every ZWJ that doesn't join two emoji (with a variation selector in between, maybe)."""
    kept: list[str] = []
    for position, character in enumerate(text):
        if character == ZWJ:
            before = next((c for c in reversed(kept[-2:]) if c != "\ufe0f"), "")
            after = text[position + 1 : position + 2]
            if not (_joins(before) and _joins(after)):
                continue
        kept.append(character)
    return "".join(kept)


def _joins(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in JOINED_EMOJI
