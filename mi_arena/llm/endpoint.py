"""Where and how a model is asked: address, model, key, decoding parameters, patience."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from mi_arena.jobs.script import BadInput

OPENAI = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
NO_KEY = "none"
"""Sent where no key is set: a server of one's own doesn't look at it."""


@dataclass(frozen=True)
class Parameters:
    """Decoding parameters; what is ``None`` is left to the endpoint."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    """These two OpenAI's own interface doesn't have: for servers of one's own, as vLLM."""

    def asked(self) -> dict[str, float | int]:
        """Those that are set, by the names of the wire."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint and one model behind it. The key never shows in ``repr``."""

    base_url: str
    model: str
    key: SecretStr
    parameters: Parameters = field(default_factory=Parameters)
    timeout: float = 180.0
    """Seconds that one request may take."""

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""


def endpoint_from(
    model: str,
    base_url: str | None = None,
    parameters: Parameters | None = None,
    timeout: float = 180.0,
    environment: Mapping[str, str] | None = None,
    key_variable: str = KEY_VARIABLE,
) -> Endpoint:
    """An endpoint with its key from the environment.

    Raises ``BadInput`` with one ASCII line that says what to mend and repeats nothing secret.
    """
    environment = os.environ if environment is None else environment
    address = _address(base_url or environment.get("OPENAI_BASE_URL") or OPENAI)
    if not model.strip() or not model.isascii() or not model.isprintable():
        raise BadInput("--model: write the model's name as the endpoint spells it")
    key = environment.get(key_variable, "").strip()
    if not key:
        if address == OPENAI:
            raise BadInput(f"{key_variable} is not set: export the key of {OPENAI}")
        key = NO_KEY
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadInput(f"{key_variable} holds characters that no key has: copy it again")
    if timeout <= 0:
        raise BadInput("--timeout: write a number of seconds above 0")
    return Endpoint(address, model.strip(), SecretStr(key), parameters or Parameters(), timeout)


def _address(base_url: str) -> str:
    try:
        parts = urlsplit(base_url.strip())
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not base_url.strip().isascii():
        raise BadInput("--base-url: write an address like https://host/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise BadInput(
            "--base-url: write the address alone, without user, password or query; the key "
            f"belongs into {KEY_VARIABLE}"
        )
    return base_url.strip().rstrip("/")
