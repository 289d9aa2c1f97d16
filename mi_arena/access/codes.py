"""The invite codes that people type: how one is made, and which spellings are the same code.

Knows nothing of whose a code is, and keeps none.
"""

from __future__ import annotations

import secrets
import unicodedata

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32: 32 symbols without I, L, O and U."""
GROUPS, GROUP = 4, 4

_MISREAD = str.maketrans("OIL", "011")
_IGNORED = frozenset({"Pd", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs"})
"""Unicode's dashes, blanks, and what is not seen at all."""


def new_code() -> str:
    """A random code like ``K7QM-2XWD-9HTR-4VAN``: 16 symbols of 5 bits, 80 bits in all."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def normalised(code: str) -> str:
    """One spelling for every way of typing a code.

    Case, blanks and dashes don't matter, nor full-width letters (a Chinese keyboard's), nor O for
    0 and I or L for 1.
    """
    text = unicodedata.normalize("NFKC", code).upper()
    seen = "".join(letter for letter in text if unicodedata.category(letter) not in _IGNORED)
    return seen.translate(_MISREAD)
