"""A branch becomes the commit that the Hub names; without the Hub it stays, with a warning."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mi_arena.engine.revisions import at_commits
from mi_arena.pairs import Pair

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Answers ``model_info`` as the Hub does."""

    def do_GET(self) -> None:
        known = self.path.startswith("/api/models/some/base/revision/v2")
        body = json.dumps({"id": "some/base", "sha": COMMIT} if known else {"error": "no"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pair_at(repo: str, revision: str) -> Pair:
    return Pair.model_validate(
        {
            "id": "some",
            "name": {"zh": "某", "en": "Some"},
            "base": {"repo": repo, "revision": revision},
            "format": "chatml",
            "context": 1024,
            "licence": "x",
        }
    )


def test_a_branch_becomes_its_commit(hub: str) -> None:
    found = at_commits(pair_at("some/base", "v2"), hub)
    assert found.base.revision == COMMIT and found.base.pinned


def test_a_commit_is_left_alone() -> None:
    pair = pair_at("some/base", COMMIT)
    assert at_commits(pair, "http://127.0.0.1:9") == pair


def test_a_branch_that_nobody_knows_stays_with_a_warning(
    hub: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = at_commits(pair_at("some/other", "main"), hub)
    assert found.base.revision == "main"
    assert "some" in caplog.text and "'main'" in caplog.text
