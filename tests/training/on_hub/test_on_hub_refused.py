"""What the Hub or this machine refuses: one line, before there is a job or a directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.on_hub.commanding import (
    GOOD_END,
    seen,
    start,
    status,
)
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn, Repo
from tests.training.on_hub.machines import (
    acting,
)
from training.on_hub import command


def no_token(hub: HubStandIn, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("HF_TOKEN")
    patch.setattr("mi_arena.hub.hub_client.get_token", lambda: None)


def public_repo(hub: HubStandIn, _: Any) -> None:
    hub.repos["me/mi-arena-runs"] = Repo(private=False)


def fault(**given: Any) -> Callable[[HubStandIn, Any], None]:
    return lambda hub, _: hub.faults.append(Fault(**given))


GATED = {"X-Error-Code": "GatedRepo"}


JOBS = {"method": "POST", "path": "/api/jobs/me"}


REFUSED: dict[str, tuple[Callable[[HubStandIn, Any], Any], tuple[str, ...], str]] = {
    "no token": (no_token, (), "no Hub token: set HF_TOKEN, or log in with `hf auth login`"),
    "wrong token": (
        lambda hub, patch: patch.setenv("HF_TOKEN", "hf_wrong"), (),
        "this token: 401: the Hub doesn't accept this token",
    ),
    "unknown machine": (
        lambda *_: None, ("--flavor", "l40"),
        "--flavor l40: there is no such machine; there are: cpu-basic, l40sx1, l40sx4",
    ),
    "unknown base": (
        lambda hub, _: hub.models.clear(), (),
        "base: owner/base: 404: there is no such thing, or this token may not see it",
    ),
    "gated base": (
        fault(method="GET", path="/auth-check", status=403, headers=GATED), (),
        "base: owner/base: is gated: ask for access on its page",
    ),
    "public repository": (public_repo, (), "--repo me/mi-arena-runs: is public; dialogues go to"),
    "may not write": (
        fault(method="POST", path="/repos/create", status=403, message="no write"), (),
        "--repo me/mi-arena-runs: 403: this token may not",
    ),
    "no money": (
        fault(**JOBS, status=402, message="Payment required"), (),
        "me: the job: 402: no credit for jobs",
    ),
    "may not start jobs": (fault(**JOBS, status=403), (), "me: the job: 403: this token may not"),
    "too little for a start": (
        lambda *_: None, ("--max-cost", "0.1"),
        "--max-cost: 0.1 USD, of which this run has used 0.00, leave 3 minutes of l40sx1",
    ),
}  # fmt: skip


MENDED = {"wrong token", "public repository", "no money"}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(
    hub: HubStandIn,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    prepare, options, line = REFUSED[name]
    prepare(hub, monkeypatch)
    assert start(config, *options) == 2
    assert f"training.on_hub: {line}" in seen(capsys)
    assert hub.jobs == {}
    if (config.parent / "run/status.json").exists():
        assert status(config)["state"] == "failed" and line in status(config)["error"]
    if name not in MENDED:
        return
    # Mended, it goes well, and in the same directory.
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("mi_arena.hub.hub_client.get_token", lambda: TOKEN)
    hub.faults, hub.models, hub.machine = [], {"owner/base"}, acting(GOOD_END)
    hub.repos = {name: repo for name, repo in hub.repos.items() if repo.private}
    assert start(config) == 0
    assert len(hub.jobs) == 1


def test_a_hub_out_of_reach_is_one_line(
    hub: HubStandIn, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.0)
    hub.faults = [Fault("GET", "whoami", None)]
    assert start(config) == 2
    assert "this token: the Hub can't be reached: " in seen(capsys)
