"""The Hub as its client sees it: repositories of small files, and jobs; misbehaving on demand.

A job is handed to ``machine``, which may run its command on this machine or act as one that does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.http_stand_in import HttpStandIn

TOKEN = "hf_stand_in"
OWNER = {"id": "1", "name": "me", "type": "user"}
ENDS = ("COMPLETED", "CANCELED", "ERROR", "DELETED")


@dataclass
class Fault:
    """What happens to the next requests whose method and path are these."""

    method: str
    path: str
    """A part of it."""
    status: int | None = None
    """``None`` closes the connection without an answer."""
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "so it was planned"
    done_first: bool = False
    """The request takes effect, and only its answer is lost."""
    times: int = 1
    stall: bool = False
    """Says nothing until the test is over."""
    seconds: float = 0.0
    """How late the answer comes; without a fault otherwise when ``status`` is 200."""
    held: bool = False
    """The request takes effect when the test calls ``land``, if it still can then."""


@dataclass
class Repo:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    """Their summaries."""
    large: list[dict[str, Any]] = field(default_factory=list)
    """Files that were uploaded apart from commits; none is by this stand-in itself."""
    kept_large: set[str] = field(default_factory=set)
    """Paths of ``files`` that are kept as large ones: listed with the SHA-256 of what is in them,
    and with git's name of a pointer."""
    broken: dict[str, list[bytes]] = field(default_factory=dict)
    """By path: what the next downloads of it give instead."""

    @property
    def head(self) -> str:
        return hashlib.sha1(str(len(self.commits)).encode()).hexdigest()


@dataclass
class Job:
    id: str
    spec: dict[str, Any]
    stage: str = "SCHEDULING"
    message: str | None = None
    seconds: int | None = None
    logs: list[str] = field(default_factory=list)
    cancel: Callable[[], None] = lambda: None
    steps: list[Callable[[Job], None]] = field(default_factory=list)
    """What happens to it, one step each time that somebody looks at it."""

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "createdAt": now(),
            "dockerImage": self.spec["dockerImage"],
            "command": self.spec["command"],
            "environment": self.spec["environment"],
            "secrets": list(self.spec["secrets"]),
            "flavor": self.spec["flavor"],
            "labels": self.spec["labels"],
            "status": {"stage": self.stage, "message": self.message},
            "durations": {"runningSecs": self.seconds},
            "owner": OWNER,
        }


Answer = tuple[int, Any, dict[str, str]]


def hardware(name: str, gpus: int, usd_a_minute: float) -> dict[str, Any]:
    chip = {
        "type": "gpu", "model": "L40S", "quantity": str(gpus), "vram": f"{48 * gpus} GB",
        "manufacturer": "Nvidia",
    }  # fmt: skip
    return {
        "name": name, "prettyName": name, "cpu": "8 vCPU", "ram": "62 GB",
        "accelerator": chip if gpus else None, "unitCostMicroUSD": int(usd_a_minute * 1e6),
        "unitCostUSD": usd_a_minute, "unitLabel": "minute",
    }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    server_of_tests: HubStandIn

    def log_message(self, *_: object) -> None:
        pass

    def handle_one(self) -> None:
        hub = self.server_of_tests
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with hub.changed:
            hub.calls.append(f"{self.command} {self.path}")
            fault = hub.fault_for(self.command, self.path)
            if fault is None or fault.done_first or fault.status == 200:
                answer = hub.answer(self.command, self.path, body, self.headers)
            if fault is not None and fault.held:
                hub.held.append((self.command, self.path, body, self.headers))
            hub.changed.notify_all()
        if fault is None:
            return self.send(*answer)
        if fault.stall or fault.seconds:
            hub.closing.wait(fault.seconds or 60)
        if fault.status == 200:
            return self.send(*answer)
        if fault.status is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self.send(fault.status, {"error": fault.message}, fault.headers)

    def send(self, status: int, content: Any, headers: dict[str, str]) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_HEAD = handle_one


@dataclass
class HubStandIn(HttpStandIn):
    """``with HubStandIn(machine) as hub: … hub.endpoint``."""

    handler = Handler
    machine: Callable[[HubStandIn, Job], None] = lambda hub, job: None
    repos: dict[str, Repo] = field(default_factory=dict)
    models: set[str] = field(default_factory=lambda: {"owner/base"})
    jobs: dict[str, Job] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    held: list[tuple[str, str, bytes, Any]] = field(default_factory=list)
    unlisted: int = 0
    """So many lists of jobs come before a new job is in them."""
    machines: list[dict[str, Any]] = field(
        default_factory=lambda: [
            hardware("cpu-basic", 0, 0.0002),
            hardware("l40sx1", 1, 0.03),
            hardware("l40sx4", 4, 0.14),
        ]
    )

    @property
    def endpoint(self) -> str:
        return self.url.removesuffix("/v1")

    def fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and fault.path in path:
                fault.times -= 1
                return fault
        return None

    def land(self) -> None:
        """What was held takes effect, long after its sender got no answer."""
        with self.changed:
            while self.held:
                self.answer(*self.held.pop(0))

    def files(self, repo: str = "me/mi-arena-runs") -> dict[str, bytes]:
        """Without the run's own folder in front: a test has one run."""
        with self.changed:
            found = self.repos[repo].files if repo in self.repos else {}
            return {name.split("/", 1)[1]: content for name, content in found.items()}

    def commits(self, repo: str = "me/mi-arena-runs") -> list[str]:
        with self.changed:
            return [summary.split(": ", 1)[1] for summary in self.repos[repo].commits]

    def going(self) -> list[Job]:
        with self.changed:
            return [job for job in self.jobs.values() if job.stage not in ENDS]

    # ---- all below is called with the lock held

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> Answer:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid credentials"}, {}
        parts, query = urlsplit(path), parse_qs(urlsplit(path).query)
        words = [unquote(word) for word in parts.path.strip("/").split("/")]
        match words:
            case ["api", "whoami-v2"]:
                return 200, {"type": "user", "name": "me", "orgs": []}, {}
            case ["api", "validate-yaml"]:
                return 200, {"errors": [], "warnings": []}, {}
            case ["api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["api", "models", owner, name, *_]:
                known = f"{owner}/{name}" in self.models
                return (200, {"id": f"{owner}/{name}", "sha": "0" * 40}, {}) if known else MISSING
            case ["api", "jobs", *rest]:
                return self._jobs(method, rest, query, body)
            case ["api", "datasets", owner, name, *rest]:
                repo = self.repos.get(f"{owner}/{name}")
                return self._repo(f"{owner}/{name}", repo, rest, query, body) if repo else MISSING
            case ["datasets", owner, name, "resolve", _, *rest]:
                return self._resolve(self.repos[f"{owner}/{name}"], "/".join(rest))
        return 404, {"error": f"the stand-in has no {path}"}, {}

    def _create(self, asked: dict[str, Any]) -> Answer:
        name = f"{asked['organization']}/{asked['name']}"
        known = name in self.repos
        self.repos.setdefault(name, Repo(asked.get("visibility") == "private"))
        url = f"{self.endpoint}/datasets/{name}"
        return 409 if known else 200, {"url": url, "error": "exists"}, {}

    def _repo(
        self, name: str, repo: Repo, rest: list[str], query: dict[str, list[str]], body: bytes
    ) -> Answer:
        match rest:
            case [] | ["revision", _]:
                return 200, {"id": name, "private": repo.private, "sha": repo.head}, {}
            case ["preupload", _]:
                asked = [file["path"] for file in json.loads(body)["files"]]
                return 200, {"files": [self._mode(repo, path) for path in asked]}, {}
            case ["commit", _]:
                return self._commit(name, repo, body)
            case ["commits", _]:
                return 200, [shown(title) for title in reversed(repo.commits)], {}
            case ["super-squash", _]:
                repo.commits = [json.loads(body)["message"]]
                return 200, {}, {}
            case ["lfs-files"]:
                return 200, repo.large, {}
            case ["lfs-files", "batch"]:
                gone = json.loads(body)["deletions"]["sha"]
                repo.large = [file for file in repo.large if file["fileOid"] not in gone]
                return 200, {}, {}
            case ["tree", _, *inside]:
                deep = query.get("recursive", ["false"])[0].lower() == "true"
                found = tree(repo.files, "/".join(inside), deep, repo.kept_large)
                return (200, found, {}) if found or not inside else NO_ENTRY
        return 404, {"error": f"the stand-in has no {rest}"}, {}

    def _mode(self, repo: Repo, path: str) -> dict[str, Any]:
        there = repo.files.get(path)
        oid = {} if there is None else {"oid": blob_id(there)}
        return {"path": path, "uploadMode": "regular", "shouldIgnore": False, **oid}

    def _commit(self, name: str, repo: Repo, body: bytes) -> Answer:
        lines = [json.loads(line) for line in body.splitlines()]
        if lines[0]["value"].get("parentCommit", repo.head) != repo.head:
            return 412, {"error": "A commit has happened since. Please refresh"}, {}
        files = dict(repo.files)
        for line in lines[1:]:
            value, path = line["value"], line["value"]["path"]
            if line["key"] == "file":
                files[path] = base64.b64decode(value["content"])
                continue
            gone = [file for file in files if file == path or file.startswith(path)]
            if not gone:
                return NO_ENTRY
            for file in gone:
                del files[file]
        repo.files = files
        repo.commits.append(lines[0]["value"]["summary"])
        url = f"{self.endpoint}/datasets/{name}/commit/{repo.head}"
        return 200, {"commitUrl": url, "commitOid": repo.head}, {}

    def _resolve(self, repo: Repo, path: str) -> Answer:
        content = repo.files.get(path)
        if content is None:
            return NO_ENTRY
        etag = {"ETag": f'"{blob_id(content)}"', "X-Repo-Commit": repo.head}
        broken = repo.broken.get(path)
        return 200, broken.pop(0) if broken else content, etag

    def _jobs(
        self, method: str, rest: list[str], query: dict[str, list[str]], body: bytes
    ) -> Answer:
        match method, rest:
            case "GET", ["hardware"]:
                return 200, self.machines, {}
            case "POST", ["me"]:
                job = Job(f"job{len(self.jobs) + 1}", json.loads(body))
                self.jobs[job.id] = job
                self.machine(self, job)
                return 200, job.shown(), {}
            case "GET", ["me"]:
                if self.jobs and self.unlisted:
                    self.unlisted -= 1
                    return 200, [], {}
                wanted = dict(label.split("=", 1) for label in query.get("label", []))
                jobs = self.jobs.values()
                found = [job for job in jobs if wanted.items() <= job.spec["labels"].items()]
                return 200, [job.shown() for job in found], {}
            case _, ["me", id, *what] if id in self.jobs:
                return self._job(self.jobs[id], what)
        return MISSING

    def _job(self, job: Job, what: list[str]) -> Answer:
        if what == ["logs"]:
            events = [json.dumps({"timestamp": now(), "data": line}) for line in job.logs]
            return 200, "".join(f"data: {event}\n\n" for event in events).encode(), {}
        if what == ["cancel"]:
            if job.stage not in ENDS:
                job.stage = "CANCELED"
                job.cancel()
            return 200, {}, {}
        if job.steps:
            job.steps.pop(0)(job)
        return 200, job.shown(), {}


MISSING: Answer = (404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
NO_ENTRY: Answer = (404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shown(title: str) -> dict[str, Any]:
    """A commit in a list of them."""
    return {"id": "0" * 40, "authors": [{"user": "me"}], "date": now(), "title": title,
            "message": ""}  # fmt: skip


def blob_id(content: bytes) -> str:
    """git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def pointed(content: bytes) -> dict[str, Any]:
    """What is told of a large file."""
    digest, size = hashlib.sha256(content).hexdigest(), len(content)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
    lfs = {"oid": digest, "size": size, "pointerSize": len(pointer)}
    return {"oid": blob_id(pointer.encode()), "lfs": lfs}


def tree(
    files: dict[str, bytes], folder: str, deep: bool, large: Collection[str] = ()
) -> list[dict[str, Any]]:
    start = f"{folder}/" if folder else ""
    inside = {name: content for name, content in files.items() if name.startswith(start)}
    found = [
        {"type": "file", "path": name, "size": len(content), "oid": blob_id(content)}
        | (pointed(content) if name in large else {})
        for name, content in inside.items()
        if deep or "/" not in name.removeprefix(start)
    ]
    folders = {
        start + name.removeprefix(start).split("/")[0]
        for name in inside
        if "/" in name.removeprefix(start)
    }
    return found + [{"type": "directory", "path": name, "oid": "0" * 40} for name in folders]
