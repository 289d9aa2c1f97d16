"""From a branch to the commit it stands at, once, so that what is hashed is what is loaded."""

from __future__ import annotations

import logging
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from mi_arena.pairs import Pair, Source

log = logging.getLogger(__name__)
SECONDS = 10.0


def at_commits(pair: Pair, endpoint: str | None = None) -> Pair:
    """The pair with its branches replaced by commits; the Hub is asked, else the local cache.

    A branch that neither knows stays as it is, with a warning: what is served may change then.
    """
    if pair.server is not None:
        return pair
    found = {
        part: _at_commit(source, endpoint)
        for part, source in (("base", pair.base), ("adapter", pair.adapter))
        if source is not None
    }
    for part, source in found.items():
        if not source.pinned:
            log.warning(
                "pair %s: the %s is at the branch %r and its commit is not known; what is served "
                "may change", pair.id, part, source.revision,
            )  # fmt: skip
    return pair.model_copy(update=found)


def _at_commit(source: Source, endpoint: str | None) -> Source:
    if source.pinned or source.repo is None:
        return source
    try:
        commit = (
            HfApi(endpoint=endpoint)
            .model_info(source.repo, revision=source.revision, timeout=SECONDS)
            .sha
        )
    except (HfHubHTTPError, OSError, ValueError):
        commit = _cached(source)
    return source if commit is None else source.model_copy(update={"revision": commit})


def _cached(source: Source) -> str | None:
    """The commit of the branch as it was last downloaded; its folder is named after it."""
    assert source.repo is not None
    try:
        folder = snapshot_download(source.repo, revision=source.revision, local_files_only=True)
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None
    return Path(folder).name
