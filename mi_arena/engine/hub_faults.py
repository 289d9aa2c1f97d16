"""Why the Hugging Face Hub did not give a model, in one line that says how to mend it.

transformers wraps what huggingface_hub raises in errors of its own, whose first lines say little:
the cause is looked for behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

Found = TypeVar("Found", bound=BaseException)


def hub_fault(repo: str, revision: str | None, error: BaseException) -> str | None:
    """One line, without the repository's name before it; None when the Hub is not to blame."""
    page = f"{constants.ENDPOINT}/{repo}"
    if _behind(error, GatedRepoError):
        return (
            f"is gated, and the token's account has no access: ask for it at {page}"
            if get_token()
            else f"is gated: accept its terms at {page} and set HF_TOKEN to a token that may read "
            "it"
        )
    if _behind(error, RevisionNotFoundError):
        return f"has no revision {revision or 'main'}: set revision to a branch or commit of {page}"
    answered = _behind(error, HfHubHTTPError)
    status = answered.response.status_code if answered else None
    if _behind(error, RepositoryNotFoundError) or (status == 401 and not get_token()):
        return (
            f"there is no such model at {page}, or it is private: correct its name, or set "
            "HF_TOKEN to a token that may read it"
        )
    if status == 401:
        return (
            "the Hub does not know the token; set HF_TOKEN to a valid one "
            f"({constants.ENDPOINT}/settings/tokens)"
        )
    if status == 403:
        return (
            "the token may not read it; a fine-grained one must be allowed to read public gated "
            f"repositories ({constants.ENDPOINT}/settings/tokens)"
        )
    if status is not None:
        return f"the Hub answers with an error ({status}); try again later"
    if constants.HF_HUB_OFFLINE and _behind(error, LocalEntryNotFoundError, OfflineModeIsEnabled):
        return (
            "is not on this machine and HF_HUB_OFFLINE is set; unset it, or fetch it first (hf "
            f"download {repo})"
        )
    if _behind(error, LocalEntryNotFoundError):
        return (
            f"is not on this machine and the Hub ({constants.ENDPOINT}) can't be reached; see to "
            f"the connection, or fetch it where there is one (hf download {repo})"
        )
    return None


def _behind(error: BaseException, *kinds: type[Found]) -> Found | None:
    """The error itself or the first of its causes that is of one of these kinds."""
    return next((one for one in _causes(error) if isinstance(one, kinds)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    here: BaseException | None = error
    while here is not None:
        yield here
        here = here.__cause__ or here.__context__
