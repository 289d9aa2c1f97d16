"""Pushing to a stand-in of the Hub that keeps small files, and refuses as the real one does."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT
from tests.small_dialogues import write
from tests.training.split_dialogues import one

TOKEN = "hf_stand_in"


class Hub:
    """What is kept, and the calls in the order in which they came."""

    def __init__(self) -> None:
        self.repos: dict[str, bool] = {}
        """Repository to whether it is private."""
        self.files: dict[str, dict[str, bytes]] = {}
        self.calls: list[str] = []
        self.commit_fails_with: int | None = None
        self.url = ""


def handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, code: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.read()
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer(401, {"error": "Invalid username or password."})
            _, _, _, owner, name, *rest = self.path.split("?")[0].split("/")
            repo = f"{owner}/{name}"
            if rest[:1] == ["tree"]:
                return self.answer(200, [
                    {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
                    for path, content in hub.files[repo].items()
                ])  # fmt: skip
            return self.answer(200, {
                "id": repo, "private": hub.repos[repo], "sha": "0" * 40,
                "siblings": [{"rfilename": path} for path in hub.files[repo]],
            })  # fmt: skip

        def do_POST(self) -> None:
            body = self.read()
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer(401, {"error": "Invalid username or password."})
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                repo = f"{asked['organization']}/{asked['name']}"
                known = repo in hub.repos
                hub.repos.setdefault(repo, asked["visibility"] == "private")
                hub.files.setdefault(repo, {})
                url = f"{hub.url}/datasets/{repo}"
                return self.answer(409 if known else 200, {"url": url, "error": "exists"})
            if "/preupload/" in self.path:
                files = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in json.loads(body)["files"]
                ]
                return self.answer(200, {"files": files})
            if "/commit/" in self.path:
                return self.commit(body)
            return self.answer(200, {"errors": [], "warnings": []})  # of the card's front matter

        def commit(self, body: bytes) -> None:
            if hub.commit_fails_with:
                return self.answer(hub.commit_fails_with, {"error": "over quota"})
            _, _, _, owner, name, *_ = self.path.split("/")
            files = hub.files[f"{owner}/{name}"]
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "deletedFile":
                    del files[value["path"]]
            url = f"{hub.url}/datasets/{owner}/{name}/commit/{'1' * 40}"
            return self.answer(200, {"commitUrl": url, "commitOid": "1" * 40})

        def read(self) -> bytes:
            hub.calls.append(f"{self.command} {self.path}")
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    kept = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(kept))
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "in.jsonl", [one(f"d{i:02}") for i in range(12)])


def pushed(
    hub: Hub, data: Path, out: Path, *more: object, token: str | None = TOKEN
) -> subprocess.CompletedProcess[str]:
    """A process of its own: the Hub's address is read when its client is imported."""
    command = [
        sys.executable,
        "-m",
        "training.split",
        data,
        "--out",
        out,
        "--train",
        6,
        "--test",
        2,
    ]
    surroundings = os.environ | {
        "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(out.parent / "hf"), "HF_TOKEN": token or "", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    return subprocess.run(
        [str(each) for each in (*command, "--no-near", "--push", "me/mi", *more)],
        cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_push_and_push_again(hub: Hub, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    done = pushed(hub, data, out, "--validation", 1)
    assert (done.returncode, hub.repos) == (0, {"me/mi": True}), done.stderr
    assert f"pushed: {hub.url}/datasets/me/mi/commit/" in done.stdout
    names = {"train.jsonl", "test.jsonl", "README.md", "manifest.json", "report.json", "report.txt"}
    assert hub.files["me/mi"].keys() == names | {"validation.jsonl"}
    assert hub.files["me/mi"]["train.jsonl"] == (out / "train.jsonl").read_bytes()
    done = pushed(hub, data, out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pushed"].startswith(hub.url)
    assert hub.files["me/mi"].keys() == names
    assert TOKEN not in done.stdout + done.stderr
    assert sum("/commit/" in call for call in hub.calls) == 2


def test_public(hub: Hub, data: Path, tmp_path: Path) -> None:
    done = pushed(hub, data, tmp_path / "split", "--public")
    assert (done.returncode, hub.repos) == (0, {"me/mi": False}), done.stderr
    done = pushed(hub, data, tmp_path / "split", "--private")
    assert done.returncode == 2
    assert "me/mi: is public already" in done.stderr
    assert sum("/commit/" in call for call in hub.calls) == 1


def test_an_unknown_licence_is_not_published(hub: Hub, tmp_path: Path) -> None:
    dialogues = [one(f"d{i}", source="somewhere") for i in range(9)]
    data = write(tmp_path / "in.jsonl", dialogues)
    done = pushed(hub, data, tmp_path / "split", "--public")
    assert (done.returncode, done.stderr.count("\n"), hub.calls) == (2, 1, [])
    assert "the licence of somewhere is unknown" in done.stderr
    assert not (tmp_path / "split").exists()


@pytest.mark.parametrize(
    ("token", "more", "wanted"),
    [
        (None, (), "HF_TOKEN is not set"),
        (TOKEN, ("--push", "a/b/c"), "a/b/c"),
        ("hf_wrong", (), "401"),
    ],
)
def test_what_the_hub_would_refuse(
    hub: Hub, data: Path, tmp_path: Path, token: str | None, more: tuple[str, ...], wanted: str
) -> None:
    done = pushed(hub, data, tmp_path / "split", *more, token=token)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert wanted in done.stderr
    assert hub.files == {}


def test_a_hub_that_is_not_there(hub: Hub, data: Path, tmp_path: Path) -> None:
    hub.url = "http://127.0.0.1:9"
    done = pushed(hub, data, tmp_path / "split")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "Connection refused" in done.stderr


def test_a_commit_that_fails_leaves_the_folder(hub: Hub, data: Path, tmp_path: Path) -> None:
    hub.commit_fails_with = 403
    done = pushed(hub, data, tmp_path / "split")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "403" in done.stderr
    assert "the same command pushes it again" in done.stderr
    assert (tmp_path / "split" / "train.jsonl").exists()
