"""A stand-in of the Hub that this process takes for the real one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import close_session

from tests.training.on_hub.commanding import write_config
from tests.training.on_hub.hub_stand_in import TOKEN, HubStandIn
from training.on_hub.store import RunStore


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """The client reads its surroundings when it is imported: here they are changed after."""
    before = signal.getsignal(signal.SIGTERM)
    with HubStandIn() as server:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.endpoint + template)
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server
        close_session()
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def store(hub: HubStandIn) -> RunStore:
    """The folder of a run in a repository that is there."""
    made = RunStore(HfApi(token=TOKEN), "me/mi-arena-runs", "run-1")
    made.create()
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a base on the Hub."""
    (tmp_path / "mi.jsonl").write_text("{}\n")
    return write_config(tmp_path)
