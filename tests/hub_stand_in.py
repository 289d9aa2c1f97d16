"""The Hugging Face Hub for tests: it gives a folder's files as a repository, or refuses.

A process finds it by ``HF_ENDPOINT``, which huggingface_hub reads once, at its import.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

from tests.http_stand_in import HttpStandIn

COMMIT = "c0ffee" * 6 + "c0ff"
REFUSALS: dict[str, tuple[int, str | None, str]] = {
    "meta/gated": (401, "GatedRepo", "Access to model meta/gated is restricted."),
    "meta/asked": (403, "GatedRepo", "You are not in the authorized list."),
    "no/where": (404, "RepoNotFound", "Repository not found"),
    "no/name": (401, None, "Invalid username or password."),
    "some/moved": (404, "RevisionNotFound", "Invalid rev id"),
    "some/closed": (403, None, "Please enable access to public gated repositories."),
}
"""As the real one answers: status, X-Error-Code, X-Error-Message."""


class _Handler(BaseHTTPRequestHandler):
    server_of_tests: HubStandIn

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server_of_tests.asked.append(self.path)
        parts = self.path.split("?")[0].strip("/").split("/")
        owner, name, *rest = parts[2:] if parts[0] == "api" else parts
        repo = f"{owner}/{name}"
        if repo in REFUSALS:
            return self._refuse(*REFUSALS[repo])
        file = self.server_of_tests.repos.get(repo, Path()) / (rest[-1] if rest else "")
        if rest[:1] != ["resolve"] or not file.is_file():
            return self._refuse(404, "EntryNotFound", "Entry not found")
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return self._answer(200, content, {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT})

    def _refuse(self, status: int, code: str | None, message: str) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._answer(status, json.dumps({"error": message}).encode(), headers)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@dataclass
class HubStandIn(HttpStandIn):
    """``with HubStandIn({"owner/name": folder}) as hub: … hub.endpoint``."""

    repos: dict[str, Path]
    asked: list[str] = field(default_factory=list)
    """Paths, in the order in which they came."""
    handler: ClassVar[type[BaseHTTPRequestHandler]] = _Handler

    @property
    def endpoint(self) -> str:
        return self.url.removesuffix("/v1")
