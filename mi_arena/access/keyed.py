"""Keyed hashes under the study's secret: what can be checked again, but not turned back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

Keyed = Callable[[str, str], str]
"""``keyed(purpose, text)``: HMAC-SHA256, 64 hex digits; the same text differs by purpose."""


def keyed_by(secret: bytes) -> Keyed:
    """The keyed hash under this secret."""

    def keyed(purpose: str, text: str) -> str:
        return hmac.new(secret, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()

    return keyed
