"""Files of runs go to whoever holds a fresh link made for an admin, and to nobody else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from mi_arena.access.keyed import keyed_by
from mi_arena.jobs.inputs import Inputs
from mi_arena.ui.pipeline.downloads import VALID_SECONDS, Downloads


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> TestClient:
    (tmp_path / "runs/a run").mkdir(parents=True)
    (tmp_path / "runs/a run/结果.jsonl").write_text('{"id": 1}\n')
    (tmp_path / "runs/a run/page.html").write_text("<script>1</script>")
    (tmp_path / "secret").write_text("the study's own")
    server = FastAPI()

    @server.get("/{anything:path}")
    def page(anything: str) -> str:
        return "Gradio's own"

    client = TestClient(server)
    client.downloads = Downloads(Inputs(tmp_path / "runs"), keyed_by(b"key"), clock)  # type: ignore[attr-defined]
    client.downloads.install(server)  # type: ignore[attr-defined]
    return client


def link(client: TestClient, path: Path) -> str:
    made: str = client.downloads.link(path)  # type: ignore[attr-defined]
    return made[1:]


def test_a_link_gives_the_file(client: TestClient, tmp_path: Path, clock: Clock) -> None:
    address = link(client, tmp_path / "runs/a run/结果.jsonl")
    answer = client.get(address)
    assert (answer.status_code, answer.text) == (200, '{"id": 1}\n')
    assert answer.headers["content-disposition"].startswith("attachment")
    clock.now += VALID_SECONDS + 1
    assert client.get(address).status_code == 410


def test_nothing_is_shown_as_a_page_of_ours(client: TestClient, tmp_path: Path) -> None:
    answer = client.get(link(client, tmp_path / "runs/a run/page.html"))
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("change", ["until", "signature", "name", "words"])
def test_a_changed_link_gives_nothing(client: TestClient, tmp_path: Path, change: str) -> None:
    _, route, until, signature, *_ = link(client, tmp_path / "runs/a run/结果.jsonl").split("/")
    name = quote("a run/结果.jsonl")
    if change == "until":
        until = str(int(until) + 1)
    elif change == "signature":
        signature = "0" * 64
    elif change == "name":
        name = "a%20run/page.html"
    else:
        until = "²"
    answer = client.get(f"/{route}/{until}/{signature}/{name}")
    assert answer.status_code == 403
    assert '"id"' not in answer.text


def test_links_stay_inside_the_runs(client: TestClient, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not in the subpath"):
        link(client, tmp_path / "secret")
    (tmp_path / "runs/out").symlink_to(tmp_path / "secret")
    downloads: Downloads = client.downloads  # type: ignore[attr-defined]
    until = int(downloads._now()) + 10
    signed = downloads._sign(until, "out")
    assert client.get(f"/run-files/{until}/{signed}/out").status_code == 404
