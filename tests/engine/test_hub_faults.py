"""One line for whatever the Hub has against giving a model, found behind transformers' errors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from mi_arena.engine.hub_faults import hub_fault
from mi_arena.engine.loading import load_pair
from mi_arena.engine.protocol import EngineError
from mi_arena.pairs import Source
from tests.conftest import make_pair


def answered(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError) -> HfHubHTTPError:
    response: Any = SimpleNamespace(status_code=status, headers={}, request=None)
    return kind(f"{status} and much more\nover several lines", response=response)


def wrapped(error: Exception) -> OSError:
    """As transformers does it."""
    try:
        try:
            raise error
        except Exception as cause:
            raise OSError("There was a specific connection error") from cause
    except OSError as outer:
        return outer


NOT_HERE = LocalEntryNotFoundError("not in the cache")
WITHOUT_TOKEN: list[tuple[Exception, str]] = [
    (answered(401, GatedRepoError), "is gated: accept its terms at https://huggingface.co/a/b"),
    (answered(404, RepositoryNotFoundError), "there is no such model"),
    (answered(401), "there is no such model"),
    (answered(404, RevisionNotFoundError), "has no revision v1: set revision to a branch or"),
    (answered(403), "the token may not read it"),
    (answered(503), "the Hub answers with an error (503); try again later"),
    (NOT_HERE, "is not on this machine and the Hub (https://huggingface.co) can't be reached"),
]
WITH_TOKEN: list[tuple[Exception, str]] = [
    (answered(403, GatedRepoError), "is gated, and the token's account has no access"),
    (answered(401), "the Hub does not know the token"),
]


@pytest.mark.parametrize("token", ["", "hf_some"])
def test_the_hub_s_reasons(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    monkeypatch.setenv("HF_TOKEN", token)
    for error, words in WITH_TOKEN if token else WITHOUT_TOKEN:
        for seen in (error, wrapped(error)):
            line = hub_fault("a/b", "v1", seen)
            assert line is not None and line.startswith(words), line
            assert "\n" not in line and "hf_some" not in line


def test_offline_by_wish() -> None:
    line = hub_fault("a/b", None, wrapped(NOT_HERE))
    assert line == (
        "is not on this machine and HF_HUB_OFFLINE is set; unset it, or fetch it first (hf "
        "download a/b)"
    )


def test_other_errors_are_not_the_hub_s() -> None:
    assert hub_fault("a/b", None, ValueError("no JSON")) is None


def test_the_arena_says_it_in_one_line() -> None:
    source = Source(repo="a/b", revision="main")
    pair = make_pair(Path("base"), None).model_copy(update={"base": source})
    with pytest.raises(EngineError) as caught:
        load_pair(pair)
    assert str(caught.value).startswith("pair tiny: a/b: is not on this machine")
    assert "\n" not in str(caught.value)
