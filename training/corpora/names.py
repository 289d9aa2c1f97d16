"""A name that isn't known: the line that says so, with what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return f"there is no {what} {name!r}{hint} Known: {', '.join(known)}"
