"""Text as patterns see it: one form for what can be written in many.

It knows scripts and fillers, nothing of danger.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

from mi_arena.packaged_yaml import packaged_yaml

HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
FILLER = r"[ .·•*_~|/\\^+=\-]+"
"""What people put between the characters of a word that they think is filtered."""
_BETWEEN_HAN = re.compile(rf"(?<=[{HAN}]){FILLER}(?=[{HAN}])")
_SPELLED_OUT = re.compile(rf"(?<![a-z])(?:[a-z]{FILLER}){{3,}}[a-z](?![a-z])")
_BLANKS = re.compile(r"[^\S\n]+")


@cache
def plain_characters() -> Mapping[int, str]:
    """For ``str.translate``: traditional characters to simplified ones."""
    table = {"’": "'", "‘": "'"}
    for pairs in packaged_yaml("mi_arena.safety", "traditional.yaml"):
        table |= {pair[0]: pair[1] for pair in pairs.split()}
    return str.maketrans(table)


def plain(text: str) -> str:
    """Full-width forms plain, letters small, traditional characters simplified, nothing unseen.

    Zero-width characters go, as does filler in spelt-out words (``s.u.i.c.i.d.e``).
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isprintable():
        text = "".join(
            c for c in text if c.isspace() or unicodedata.category(c) not in ("Cf", "Cc", "Cs")
        )
    text = _BLANKS.sub(" ", text.translate(plain_characters()))
    return _SPELLED_OUT.sub(lambda found: re.sub(FILLER, "", found.group()), text)


def views(text: str) -> list[str]:
    """The plain text, and once more without filler between Han characters where there is any.

    Both, because a space between Han characters is filler to some (``自 杀``) and a comma to
    others: 想死 他们不管 must not read as 想死他们.
    """
    one = plain(text)
    return list(dict.fromkeys([one, _BETWEEN_HAN.sub("", one)]))


_MARKS = re.compile(rf"(?:(?![{HAN}])[^\w'?])*(?:(?![{HAN}])[^\w'? ])(?:(?![{HAN}])[^\w'?])*|_+")


def unmarked(text: str) -> list[str]:
    """What networks read, of each view: any run of marks is one comma, none stands at the ends,
    question marks stay; so that no mark can come to mean that a text is harmless."""
    return list(dict.fromkeys(_without_marks(view) for view in views(text)))


def _without_marks(text: str) -> str:
    text = _BLANKS.sub(" ", _MARKS.sub(", ", text.replace("？", "?").replace("\n", ", ")))
    return re.sub(r"(?:, )?\?(?:[ ,?]*\?)*(?:, )?", "? ", text).strip(" ,")
