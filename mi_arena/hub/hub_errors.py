"""What the Hub answers, or the way to it: what to wait out, and what to say in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils._http import parse_ratelimit_headers

from mi_arena.jobs.script import BadInput, first_line

LOST = (httpx2.TransportError, ConnectionError, TimeoutError, RuntimeError)
"""No answer came; the last is what the transfer of large files (hf_xet) raises."""
HUB_ERRORS = (httpx2.HTTPError, LocalEntryNotFoundError, *LOST)
"""``HfHubHTTPError`` is one of the first."""
PASSING = {408, 409, 412, 425, 429, 500, 502, 503, 504}
"""409 and 412 are another commit that came first."""
TOKENS = "https://huggingface.co/settings/tokens"
BILLING = "https://huggingface.co/settings/billing"


def passes(error: BaseException) -> bool:
    """Whether the same request may well succeed later."""
    status = status_of(error)
    if status is not None:
        return status in PASSING
    if isinstance(error, LocalEntryNotFoundError):  # a download hides the reason behind it
        return error.__cause__ is None or passes(error.__cause__)
    return isinstance(error, LOST) and not isinstance(error, OfflineModeIsEnabled)


def status_of(error: BaseException) -> int | None:
    """The HTTP status, where the server has answered at all."""
    response = getattr(error, "response", None)
    return response.status_code if isinstance(response, httpx2.Response) else None


def wait_asked(error: BaseException) -> float | None:
    """The seconds that the server asked to wait."""
    response = getattr(error, "response", None)
    if not isinstance(response, httpx2.Response):
        return None
    after = response.headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    limit = parse_ratelimit_headers(response.headers)
    return float(limit.reset_in_seconds) if limit and limit.remaining == 0 else None


def hub_line(error: BaseException) -> str:
    """One line: what is wrong and, where the user can mend it, how."""
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it"
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return hub_line(error.__cause__)
    if isinstance(error, GatedRepoError):
        return "is gated: ask for access on its page, with the account of this token"
    status, said = status_of(error), _said(error)
    match status:
        case None:
            return f"the Hub can't be reached: {said}" if passes(error) else said
        case 401:
            return f"401: the Hub doesn't accept this token for it; make another at {TOKENS}"
        case 402:
            return f"402: no credit for jobs ({said}); add some at {BILLING}"
        case 403:
            return (
                f"403: this token may not ({said}); it must be allowed to write repositories and "
                f"to start jobs: {TOKENS}"
            )
        case 404:
            return "404: there is no such thing, or this token may not see it"
        case _:
            return f"{status}: {said}"


@contextmanager
def told(about: str) -> Iterator[None]:
    """Any answer of the Hub that is an error as ``BadInput`` in one line that begins so."""
    try:
        yield
    except HUB_ERRORS as error:
        raise BadInput(f"{about}: {hub_line(error)}") from None


def _said(error: BaseException) -> str:
    message = error.server_message if isinstance(error, HfHubHTTPError) else None
    return " ".join((message or first_line(error)).split())
