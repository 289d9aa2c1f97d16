"""What can be wrong with the private dataset, in the few kinds that call for different answers.

Messages are one line, without a token and without anything of an event.
"""

from __future__ import annotations

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from mi_arena.hub.hub_errors import wait_asked

HUB_ERRORS = (httpx2.HTTPError, ConnectionError, TimeoutError, RuntimeError, ValueError)
"""What huggingface_hub raises; ``HfHubHTTPError`` is one of the first. An answer that is no JSON is
a ``ValueError``, and the transfer of large files raises ``RuntimeError``."""


class DatasetFault(Exception):
    """Something is wrong with the dataset; one line. A request may have taken effect all the same:
    only a look at the head tells."""


class Moved(DatasetFault):
    """Another commit came first; look at the head again."""


class Busy(DatasetFault):
    """The Hub, or the way to it, fails in passing."""

    def __init__(self, line: str, seconds: float = 0.0):
        """``seconds``: how long the Hub asked to wait."""
        super().__init__(line)
        self.seconds = seconds


class Denied(DatasetFault):
    """It won't pass by itself; the line says how to mend it."""


class BadShard(DatasetFault):
    """A shard is not what was published, comes broken, or a newer MI Arena wrote it."""


def fault_of(error: Exception, repo: str) -> DatasetFault:
    """The fault behind what the Hub's client raised."""
    about, tokens = f"the dataset {repo}", f"{constants.ENDPOINT}/settings/tokens"
    if isinstance(error, OfflineModeIsEnabled):
        return Denied(f"{about}: HF_HUB_OFFLINE is set; unset it")
    response = (
        error.response if isinstance(error, httpx2.HTTPStatusError | HfHubHTTPError) else None
    )
    if response is None:
        return Busy(f"{about}: no answer from the Hub ({type(error).__name__})")
    match response.status_code:
        case 409 | 412:
            return Moved(f"{about}: another commit came first")
        case 401:
            return Denied(
                f"{about}: the Hub doesn't accept the token for it, or there is none of that name; "
                f"correct MI_ARENA_DATASET, or set HF_TOKEN to a token that may write it ({tokens})"
            )
        case 403:
            return Denied(
                f"{about}: the token may not write it; set HF_TOKEN to one that may ({tokens})"
            )
        case 404:
            return Denied(
                f"{about}: there is none, or the token may not see it; correct MI_ARENA_DATASET, "
                f"or make it: hf repos create {repo} --type dataset --private"
            )
        case status if status in (408, 425, 429) or status >= 500:
            return Busy(f"{about}: the Hub answers {status}", wait_asked(error) or 0.0)
        case status:
            return Denied(f"{about}: the Hub refuses it ({status}); see the repository's page")
