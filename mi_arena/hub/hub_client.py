"""The Hub's client: a token, no bars of its own, and no request that waits for ever."""

from __future__ import annotations

import httpx2
from huggingface_hub import HfApi, get_token, set_client_factory
from huggingface_hub.utils import logging
from huggingface_hub.utils._http import default_client_factory
from huggingface_hub.utils.tqdm import disable_progress_bars

from mi_arena.jobs.script import BadInput

TIMEOUT = httpx2.Timeout(120, connect=20)
"""Seconds without a byte. By default there is no limit at all."""


def open_hub() -> HfApi:
    """With the token of HF_TOKEN or of ``hf auth login``; raises ``BadInput`` without one."""
    token = get_token()
    if not token:
        raise BadInput(
            "no Hub token: set HF_TOKEN, or log in with `hf auth login`; it must be allowed to "
            "write repositories and to start jobs (https://huggingface.co/settings/tokens)"
        )
    disable_progress_bars()
    logging.set_verbosity_error()
    set_client_factory(_client)
    return HfApi(token=token)


def _client() -> httpx2.Client:
    client = default_client_factory()
    client.timeout = TIMEOUT
    return client
