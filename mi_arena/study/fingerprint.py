"""What identifies an epoch: a hash of what was served, the same after every restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SHOWN = 16
"""Characters of a fingerprint that pages show."""


def epoch_fingerprint(served: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over canonical JSON: sorted keys, no white space, ASCII only.

    ``served`` holds JSON values: revisions of base and adapter, system prompt, decoding, form
    version. The order of keys does not matter, the order in a list does, and 1 is not 1.0. Raises
    ``ValueError`` for what JSON cannot say (NaN) and ``TypeError`` for what is no JSON value: two
    different things must never look the same.
    """
    _refuse_other_keys(served)
    canonical = json.dumps(
        served, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _refuse_other_keys(value: Any) -> None:
    """``json`` would write the key 1 like the key "1"."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"keys are text, not {type(key).__name__}")
            _refuse_other_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_other_keys(inner)
