"""The JSON in a model's answer, whatever the model has put around it, or why there is none."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

Missing = Literal["empty", "no_json", "cut", "broken"]

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_MOST_STARTS = 50
"""Opening brackets tried in a preface, before giving up."""


class NoJson(ValueError):
    """No JSON object or list of the wanted kind; ``kind`` says why."""

    def __init__(self, kind: Missing) -> None:
        super().__init__(kind)
        self.kind: Missing = kind


def json_in(text: str, having: str | None = None) -> Any:
    """The first JSON object (with the key ``having``, where named) or list of objects in ``text``.

    Code fences, prefaces, afterwords and a reasoning model's thoughts are passed over; line ends
    inside strings are forgiven. Raises ``NoJson``: ``cut`` when the JSON just ends, ``broken`` when
    it is wrong in the middle or isn't of the wanted kind.
    """
    text = _THOUGHTS.sub("", text).strip()
    if not text:
        raise NoJson("empty")
    decoder = json.JSONDecoder(strict=False)
    first: Missing | None = None
    for start in [found.start() for found in re.finditer(r"[{\[]", text)][:_MOST_STARTS]:
        try:
            value, _ = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError) as error:
            first = first or ("cut" if _at_the_end(error, text) else "broken")
            continue
        if isinstance(value, dict) and (having is None or having in value):
            return value
        # A list inside an object that could not be read is a piece of it, not the answer.
        if first is None and _of_objects(value):
            return value
        first = first or "broken"
    raise NoJson(first or "no_json")


def _of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _at_the_end(error: Exception, text: str) -> bool:
    if not isinstance(error, json.JSONDecodeError):
        return False
    rest = text[error.pos :].strip().strip("`").strip()
    return not rest or error.msg.startswith("Unterminated string")
